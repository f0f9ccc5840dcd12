"""Training of encoders. Everything in here needs PyTorch and transformers, the extra ``train``."""
