"""1. From folders to images in groups, split."""
