"""The pytest plug-in: wires fixtures, imports nothing heavy until one is used."""
