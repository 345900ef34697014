"""Files shared with other tools: `.sdmkitmodel` and `.sdmdataset` (sdm.md 14; docs/interchange.md).

Pure formats: from records to files and back. Must not know the store, the engine or the wire. What is read was
written by others and is believed only after it was checked; every refusal is an InvalidInput.
"""
