"""Train both sides on the same batches, and show it.

    data            real data sets, and the batches that both sides see
    settings        every setting of a run, checked; the optimizers and schedules to choose from
    scores          how good answers are, beside the loss
    lockstep        train both side by side, and measure every step
    experiment      what an experiment is
    article         the article's quantities, by autograd
    pictures        the dashboard's figures
    digits          what all experiments with handwritten digits have in common
    corpus          texts as numbers, and a model that only counts
    sampling        what a network has to say
    attention_maps  what each head looks at
    text            what all experiments with text have in common
    experiments/    the named experiments, one file each
    tables          a CSV file as columns
    sources         data of one's own: a table, arrays, a set of scikit-learn's
    preparing       samples as a network takes them, and what is shown of one trained on them
    own             an experiment of one's own, on data of one's own
    curves          the curves as CSV
    report          a page of the run
    dashboard       what goes to TensorBoard
    run_directory   where a run is written, and the command and the link that show it
    weights         a network's weights in a file
    checkpoints     a run's state in a file
    state           taken out of a run and put back
    interruption    Ctrl-C and a request to end
    session         one experiment from its settings to what it shows
    both            train a network of one's own from Python
    restored        a run that was trained before
    tutorial        a notebook: build, train, look, save, load into PyTorch, go on there

What names and checks an experiment imports no PyTorch: settings, experiment, digits, experiments,
own, and what these see.
"""
