"""`python -m manual`: the worked example, by hand alone."""

import signal

from .article.example import BIASES, LEARNING_RATE, RULES
from .article.figures import FORMS, figures_table, rounds


def main() -> None:
    if hasattr(signal, "SIGPIPE"):  # `python -m manual | head` ends without a word
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    print("The article's 2-2-2 sigmoid network, every quantity computed by hand\n")
    print(figures_table("simultaneous", "fixed"))

    print("\nEach rule, with the biases treated in each way: the error E")
    print(f"{'rule':14}{'biases':10}{'after 1':>14}{'after 10,000':>16}")
    for rule in RULES:
        for biases in BIASES:
            quantities = rounds({1, 10_000}, rule, biases)
            first, last = (quantities[n]["E_total"] for n in (1, 10_000))
            print(f"{rule:14}{biases:10}{first:14.9f}{last:16.10f}")

    print(f"\nThe same round in three forms (learning rate {LEARNING_RATE}): E after 1 round")
    for name, form in FORMS.items():
        run = form()
        next(run)
        print(f"{name:14}{next(run)['E_total']:.17f}")


if __name__ == "__main__":
    main()
