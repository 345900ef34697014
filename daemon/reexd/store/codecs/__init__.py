"""Every value of the store, one file per record. Owns bytes; knows nothing of keys or transactions."""
