"""From rows to one table and its report."""
