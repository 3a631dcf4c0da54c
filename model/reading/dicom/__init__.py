"""DICOM files: header, suitability, pixels, series."""
