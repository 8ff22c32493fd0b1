"""Fair and multitask medical learning as pure functions in JAX.

    gradient_reversal   identity forward, a reversed and scaled gradient backward
    losses              masked reductions, weighted cross-entropy, NCOV, HSIC, distance correlation
    metrics             detection and correlation, batched and masked, with intervals over subjects
    attribution         attributions of predictions to inputs, values of training samples
    attacks             DeepFool, FGSM, BIM, PGD and smooth perturbations of electrocardiograms
    probes              how much of an attribute can still be read from a representation
    models              convolutions and networks that are fast side by side in one program
    training            what one training run is: members, stages, batches, early stopping
    sweeps              many members in one compiled program: grids, devices, checkpoints, tables
    methods             published algorithms, as stages

Each is imported by its own name (`from jaxfair import losses`); this file imports nothing. Nothing here opens a data
file or reads a flag: raw data become arrays in `data_pipelines`, and whole studies run in `experiments`, both beside
this package in a checkout.
"""
