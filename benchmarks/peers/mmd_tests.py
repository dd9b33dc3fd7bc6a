"""Tests two samples by other libraries' kernel tests: ``mmd_tests.py {alibi,evidently,features} PERMUTATIONS REFERENCE CURRENT``.

The samples are .npy files. Prints the library's name and version, CPU seconds and the statistic as JSON. ``evidently`` is its own
permutation routine on one kernel matrix of all columns; ``features`` its test as it stands, of the first column, always with 100
permutations. Imports, and what a library does at its first call, are not counted.
"""

import json
import sys
import time

import numpy as np

arm, n_permutations, *paths = sys.argv[1:]
B = int(n_permutations)
x, y = (np.load(path) for path in paths)
if arm == "alibi":
    import alibi_detect
    import torch
    from alibi_detect.cd import MMDDrift

    torch.set_num_threads(1)

    def test(x, y):
        """Build the detector, which computes the reference's kernel, and test once."""
        detector = MMDDrift(x, backend="pytorch", n_permutations=B, device="cpu")
        return detector.predict(y)["data"]["distance"]

    name = f"alibi-detect {alibi_detect.__version__}, torch {torch.__version__}"
else:
    import evidently
    from evidently.legacy.calculations.stattests import mmd_stattest
    from sklearn.metrics import pairwise_kernels

    def test(x, y):
        """Compute the kernel as its embedding method does and permute as its test does, or run its test on one column."""
        if arm == "features":
            return mmd_stattest.mmd_pval(x[:, :1], y[:, :1])[1]
        K = pairwise_kernels(np.vstack([x, y]), metric="rbf", gamma=1 / x.shape[1])
        np.fill_diagonal(K, 0)
        seen = mmd_stattest.mmd_2samp(K, len(y))
        np.array([mmd_stattest.mmd_2samp(K, len(y), permute=True) for _ in range(B)])
        return seen

    name = f"evidently {evidently.__version__}"
test(x[:50], y[:50])
began = time.process_time()
seen = float(test(x, y))
print(json.dumps([name, time.process_time() - began, seen]))
