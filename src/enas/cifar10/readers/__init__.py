"""Reads images: CIFAR-10 and CIFAR-100 in all their forms, folders, shapes."""
