"""Models: finding a base, embedding with it, fine-tuning it, writing it down, predicting. The only package that imports torch.

``text.py`` is where the modality lives: how texts become tensors and how a base embeds them. No other module knows it.
"""
