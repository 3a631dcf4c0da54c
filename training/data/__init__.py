"""1. From folders to grouped and split images."""
