"""What exists only to make a step cheaper; steps read the same without."""
