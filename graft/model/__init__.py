"""Models: finding a base, embedding with it, fine-tuning it, writing it down, predicting. The only package that imports torch.

``text.py`` and ``image.py`` are where the modality lives: how rows become tensors and how a base embeds them. Every other
module works through ``encoder.Encoder`` and does not know what a row is. A base is a folder: every ``from_pretrained`` is given
one, with ``local_files_only``, so that no hub is asked whatever the environment says.
"""
