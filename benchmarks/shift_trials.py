"""What ``graft.shift.compare`` says where the shift is known: public data, frozen features, a recipe's default bounds.

    python -m benchmarks.shift_trials {amazon,banking77,hate,cifar,halves,images,domain} [--cache DIR] [--seeds N]

``amazon``: 12 directed pairs of domains, the size of the shift beside the accuracy that a probe of the first loses on the second.
``banking77``: disjoint random halves, one with classes removed or made rare. ``hate``: tweeteval's training and test sets.
``cifar``: what a test on predicted classes sees of CIFAR-10.1. ``halves``: false alarms between random halves of each set of
texts. ``images``: MNIST and USPS. ``domain``: each set of texts beside the card that comes with Graft. Embedding costs minutes
the first time; see benchmarks/shift_sets.py.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections import Counter
from dataclasses import replace
from itertools import combinations, permutations, product
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
from scipy import stats

from benchmarks.shift_sets import DOMAINS, SETS, cifar_predictions, digits, sample
from graft.recipe.schema import DetectShift
from graft.records import ShiftComparison
from graft.shift.card_rows import load_domain
from graft.shift.compare import compare
from graft.shift.domain_card import SHIPPED
from graft.shift.sample import Sample
from graft.stats import choose_C, fit_probe, proportion, proportion_difference, two_sample_test
from graft.stats.mmd import gaussian, mmd_test

BOUNDS = DetectShift(alpha=0.01, max_auc=0.65, n_permutations=999, max_rows=1_000)
N_BOOTSTRAP = 2_000


def halves(whole: Sample, seed: int) -> tuple[Sample, Sample]:
    """Return two disjoint random halves."""
    order = np.random.default_rng(seed).permutation(len(whole))
    return whole.take(order[: len(whole) // 2]), whole.take(order[len(whole) // 2 :])


def told(found: ShiftComparison) -> str:
    """Return a comparison's figures in a line."""
    said = {None: "not testable", True: "yes", False: "no"}
    kinds = ", ".join(f"{kind.name} {said[kind.found]}" for kind in found.kinds)
    tests = ", ".join(f"{test.name} {test.statistic:.4f} (p {test.p_value:.2g})" for test in found.tests)
    change = found.accuracy_change
    lost = f"; accuracy {change.value:+.3f} [{change.ci_low:+.3f}, {change.ci_high:+.3f}]" if change else ""
    return f"{'shifted' if found.shifted else 'not shifted'}: {tests}; {kinds}{lost}"


def amazon(cache: Path, n_seeds: int) -> None:
    """Ranks of shift and loss over the 12 pairs, and how sure they are."""
    domains = {domain: sample(f"amazon {domain}", cache) for domain in DOMAINS}
    hits, own = {}, {}
    for source, one in domains.items():
        C, own[source] = choose_C(one.features, one.labels, n_folds=5, seed=0)
        probe = fit_probe(one.features, one.labels, C=C)
        hits |= {
            (source, to): probe.predict(domains[to].features) == domains[to].labels for to in DOMAINS if to != source
        }
    sizes, drawn = {}, {}
    rng = np.random.default_rng(0)
    weights = {
        domain: rng.multinomial(len(one), [1 / len(one)] * len(one), N_BOOTSTRAP).T for domain, one in domains.items()
    }
    for a, b in combinations(DOMAINS, 2):
        sizes[a, b], drawn[a, b] = measure(domains[a], domains[b], weights[a], weights[b])
        sizes[b, a], drawn[b, a] = sizes[a, b], drawn[a, b]
    print(
        "source -> target: AUC, MMD2, PAD; accuracy in the source (out of fold), on the target; lost; target's own, lost to it"
    )
    pairs = list(permutations(DOMAINS, 2))
    directed = []
    for pair in pairs:
        found = compare("pair", domains[pair[0]], domains[pair[1]], BOUNDS, rng=np.random.default_rng(0))
        directed.append(found.tests[2].statistic)
        inside, there, at_home = own[pair[0]].mean(), hits[pair].mean(), own[pair[1]].mean()
        print(f"{pair[0]} -> {pair[1]}: " + ", ".join(f"{x:.4f}" for x in sizes[pair]) + f"; {inside:.3f}, {there:.3f}; "
              f"{inside - there:+.3f}; {at_home:.3f}, {at_home - there:+.3f}\n    {told(found)}", flush=True)  # fmt: skip
    chosen = rng.integers(0, len(pairs), (N_BOOTSTRAP, len(pairs)))
    for name, of in (("in the source", 0), ("of the target's own probe", 1)):
        lost = np.array([own[pair[of]].mean() - hits[pair].mean() for pair in pairs])
        again = np.array(
            [(own[pair[of]] @ weights[pair[of]] - hits[pair] @ weights[pair[1]]) / len(hits[pair]) for pair in pairs]
        )
        by_pairs = [stats.spearmanr(np.array(directed)[some], lost[some]).statistic for some in chosen]
        low, high = np.nanquantile(by_pairs, [0.025, 0.975])
        print(
            f"KS of the class probabilities, lost of the accuracy {name}: Spearman "
            f"{stats.spearmanr(directed, lost).statistic:+.2f}, by pairs [{low:+.2f}, {high:+.2f}]"
        )
        for k, size in enumerate(("AUC", "MMD2", "PAD")):
            x, redrawn = np.array([sizes[pair][k] for pair in pairs]), np.array([drawn[pair][k] for pair in pairs])
            for rank, correlate in (("Spearman", stats.spearmanr), ("Kendall", stats.kendalltau)):
                by_pairs = [correlate(x[some], lost[some]).statistic for some in chosen]
                by_rows = [correlate(redrawn[:, i], again[:, i]).statistic for i in range(N_BOOTSTRAP)]
                low, high = np.nanquantile(by_pairs, [0.025, 0.975])
                lowest, highest = np.nanquantile(by_rows, [0.025, 0.975])
                print(f"{size}, lost of the accuracy {name}: {rank} {correlate(x, lost).statistic:+.2f}, by pairs "
                      f"[{low:+.2f}, {high:+.2f}], by rows [{lowest:+.2f}, {highest:+.2f}]", flush=True)  # fmt: skip


def measure(a: Sample, b: Sample, v: np.ndarray, w: np.ndarray) -> tuple[list[float], np.ndarray]:
    """Return AUC, MMD^2 and proxy A-distance of two samples, and the same, shape (3, draws), of rows drawn with replacement.

    v and w, shapes (rows, draws), say how often each row is drawn; the classifier is not fitted again, and a pair of a row with
    itself stays out of MMD^2. The proxy A-distance is 2 (1 - 2 error), of the classifier's sides by the sign of its score.
    """
    found = two_sample_test(a.features, b.features, rng=np.random.default_rng(0), n_permutations=0)
    kernel = mmd_test(a.features, b.features, rng=np.random.default_rng(0), n_permutations=0)
    both = np.concatenate([a.features, b.features])
    K = gaussian(both, kernel.sigma**2)
    counts = np.concatenate([v, w]).astype(np.float32)
    n = len(a)
    xx, yy, xy = (
        np.einsum("ij,ij->j", counts[left], K[left, right] @ counts[right])
        for left, right in ((slice(n), slice(n)), (slice(n, None), slice(n, None)), (slice(n), slice(n, None)))
    )
    pairs_x, pairs_y = (one.sum(axis=0) ** 2.0 - (one * one).sum(axis=0) for one in (v, w))
    mmd = xx / pairs_x + yy / pairs_y - 2 * xy / (n * len(b))
    above = np.greater.outer(found.scores, found.reference_scores).astype(np.float32)
    auc = np.einsum("ij,ij->j", w, above @ v.astype(np.float32)) / (n * len(b))
    wrong = ((found.reference_scores > 0) @ v / n + (found.scores <= 0) @ w / len(b)) / 2
    error = ((found.reference_scores > 0).mean() + (found.scores <= 0).mean()) / 2
    return [found.auc.value, kernel.value, 2 * (1 - 2 * error)], np.stack([auc, mmd, 2 * (1 - 2 * wrong)])


def banking77(cache: Path, n_seeds: int) -> None:
    """Classes removed from one half, or made rare, with labels there and without."""
    whole = sample("banking77", cache)
    classes = np.unique(whole.labels)
    cases = {"as it is": (0, 1.0), "20 classes removed": (20, 0.0), "20 classes at a quarter": (20, 0.25),
             "40 classes removed": (40, 0.0)}  # fmt: skip
    for (what, (n_moved, kept)), labelled in product(cases.items(), (True, False)):
        seen: Counter[str] = Counter()
        figures = []
        for seed in range(n_seeds):
            reference, current = halves(whole, seed)
            rng = np.random.default_rng(seed + 1_000)
            moved = set(rng.permutation(classes)[:n_moved])
            stays = ~np.isin(current.labels, list(moved)) | (rng.random(len(current)) < kept)
            current = current.take(np.flatnonzero(stays))
            found = compare("mix", reference, current if labelled else replace(current, labels=None), BOUNDS, rng=rng)
            seen.update(f"{kind.name} {kind.found}" for kind in found.kinds)
            seen.update({"shifted": bool(found.shifted), "p below alpha": found.p_value < BOUNDS.alpha})
            share = re.match(r"\d+", next(kind.because for kind in found.kinds if kind.name == "label"))
            true = sum(abs((reference.labels == one).mean() - (current.labels == one).mean()) for one in classes) / 2
            named = [one.label for one in found.shares]
            said = float(share[0]) / 100 if share else np.nan
            figures.append((found.auc.value, true, said, len(named), sum(label in moved for label in named)))
        auc, true, _, n_named, n_right = np.mean(figures, axis=0)
        said = np.array(figures)[:, 2]
        told_share = f"{np.nanmean(said):.3f}" if np.isfinite(said).any() else "nothing"
        print(f"{what}, current rows {'with' if labelled else 'without'} labels: AUC {auc:.3f}; of {n_seeds} "
              + ", ".join(f"{name} {n}" for name, n in sorted(seen.items()))
              + f"; share that moved {true:.3f}, told {told_share}; classes named {n_named:.1f}, of those moved {n_right:.1f}",
              flush=True)  # fmt: skip


def hate(cache: Path, n_seeds: int) -> None:
    """The training set's rows against the test set's, and against one another."""
    train, test = sample("hate train", cache), sample("hate test", cache)
    for name, pair in (
        ("train -> test", (train, test)),
        ("train -> train", halves(train, 0)),
        ("test -> test", halves(test, 0)),
    ):
        print(f"{name}: {told(compare(name, *pair, BOUNDS, rng=np.random.default_rng(0)))}")
        bare = compare(name, pair[0], replace(pair[1], labels=None), BOUNDS, rng=np.random.default_rng(0))
        print(f"    without labels: {told(bare)}\n    {bare.because}", flush=True)


def cifar(cache: Path, n_seeds: int) -> None:
    """Predicted classes on CIFAR-10 and on CIFAR-10.1: the chi-square test, and the accuracy.

    The original test set's labels do not come with the predictions: there the majority of the 30 models stands for the truth, and
    for comparison on the new set too.
    """
    for version in ("v4", "v6"):
        before, now, truth = cifar_predictions(version)
        vote, vote_now = (
            np.array([np.bincount(column, minlength=10).argmax() for column in np.stack(list(one.values())).T])
            for one in (before, now)
        )
        print(f"{version}: the majority is right on {(vote_now == truth).mean():.4f} of its {len(truth):,} images")
        missed = 0
        for name in sorted(before):
            p = stats.chi2_contingency([np.bincount(one[name], minlength=10) for one in (before, now)]).pvalue
            change = proportion_difference(now[name] == vote_now, before[name] == vote)
            right = proportion(now[name] == truth)
            harmful = change.ci_high < 0
            missed += harmful and p >= BOUNDS.alpha
            print(f"  {name}: p {p:.3f}; with the majority {(before[name] == vote).mean():.3f}, now "
                  f"{(now[name] == vote_now).mean():.3f} ({change.value * 100:+.1f} [{change.ci_low * 100:+.1f}, "
                  f"{change.ci_high * 100:+.1f}]); right now {right.value:.3f}")  # fmt: skip
        print(f"  harmful and not seen at {BOUNDS.alpha:g}: {missed} of {len(before)}", flush=True)


def false_alarms(cache: Path, n_seeds: int) -> None:
    """Random halves of each set: how often something is said to have shifted."""
    total: Counter[str] = Counter()
    for name in SETS:
        whole, seen, aucs = sample(name, cache), Counter[str](), []
        for seed in range(n_seeds):
            found = compare(name, *halves(whole, seed), BOUNDS, rng=np.random.default_rng(seed + 1_000))
            seen["shifted"] += bool(found.shifted)
            seen["p below alpha"] += found.p_value < BOUNDS.alpha
            for kind in found.kinds:
                seen[kind.name] += bool(kind.found)
            aucs.append(found.auc.value)
        print(
            f"{name}: of {n_seeds} "
            + ", ".join(f"{one} {n}" for one, n in seen.items())
            + f"; AUC up to {max(aucs):.3f}",
            flush=True,
        )
        total += Counter({**seen, "n": n_seeds})
    print(f"all: {dict(total)}")
    for one in ("shifted", "p below alpha"):
        exact = stats.binomtest(total[one], total["n"]).proportion_ci()
        print(f"  {one}: {total[one]} of {total['n']}, 95% [{exact.low:.4f}, {exact.high:.4f}]")


def images(cache: Path, n_seeds: int) -> None:
    """Digits of MNIST against those of USPS, and against other ones of MNIST, in MobileNetV2's space."""
    mnist, usps = digits(cache)
    for name, pair in (
        ("MNIST -> USPS", (mnist, usps)),
        ("MNIST -> MNIST", halves(mnist, 0)),
        ("USPS -> USPS", halves(usps, 0)),
    ):
        print(f"{name}: {told(compare(name, *pair, BOUNDS, rng=np.random.default_rng(0)))}", flush=True)


def domain(cache: Path, n_seeds: int) -> None:
    """How far each set lies from the shipped card of MiniLM's domain, and the card's halves from one another."""
    card = Sample("card", load_domain(Path(str(SHIPPED / "minilm-wordnet.safetensors"))))
    pairs = {name: (card, replace(sample(name, cache), labels=None)) for name in SETS}
    for name, (reference, current) in {**pairs, "halves of the card": halves(card, 0)}.items():
        found = compare(name, reference, current, BOUNDS, rng=np.random.default_rng(0))
        print(f"{name}: {told(found)}")


TRIALS = {
    "amazon": amazon,
    "banking77": banking77,
    "hate": hate,
    "cifar": cifar,
    "halves": false_alarms,
    "images": images,
    "domain": domain,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", choices=list(TRIALS))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "graft-shift-trials")
    parser.add_argument("--seeds", type=int, default=20)
    asked = parser.parse_args()
    TRIALS[asked.trial](asked.cache, asked.seeds)


if __name__ == "__main__":
    main()
