"""The main job in order. Each step is one class with one verb; it reads the store, works, writes in one transaction."""
