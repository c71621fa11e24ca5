"""The store's fault harness: what a kill, a full disk, a wrong bit or a lost acknowledgement leaves behind."""
