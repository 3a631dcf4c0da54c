"""Files as research keeps them: NIfTI, MGH, Analyze, NRRD, MetaImage, MATLAB."""
