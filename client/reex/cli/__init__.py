"""`reexctl`: one file per command or group. `output` alone formats; gRPC is imported by a command that calls."""
