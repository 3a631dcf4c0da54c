"""5. From figures to plots and pages."""
