"""Commands for studies: cross-validation, comparisons, dissections, and their documents."""
