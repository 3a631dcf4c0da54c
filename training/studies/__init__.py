"""What one types once: cross-validation, comparisons, dissections, and the documents made of them."""
