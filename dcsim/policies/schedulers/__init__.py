"""Schedulers: which waiting job goes next; one file each."""
