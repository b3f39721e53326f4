"""The billing server: prepaid compute credits, never lost, never double, always explained."""
