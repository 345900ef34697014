"""The wire: one file per proto. Each handler checks, calls one step, translates, returns. Only importer of grpc."""
