"""The collections that train or test this project's networks: one row each.

Training, folds of left-out sources and the licences in the card all read this table.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownSource:
    """One collection, by the name of its data folder.

    planes: ax, cor, sag, or ? if unknown; outlines: who drew the lesion outlines, empty if nobody did;
    fold: sources left out together when networks are tested on unseen sources, each fold with both answers;
    stripped: whether the skulls are removed; findings: what "no tumor" images may show besides tumors.
    """

    folder: str
    title: str
    source: str
    licence: str
    n_images: int
    n_patients: int | None
    planes: str
    sequences: str
    fold: str
    outlines: str = ""
    stripped: bool = False
    findings: str = ""


_ON_KAGGLE = "as stated on the data set's Kaggle page; the files carry none"
_NOT_LOOKED_UP = "could not be looked up at the publisher"
_BRISC = "BRISC 2025, doi 10.6084/m9.figshare.30533120, CC BY 4.0"

KNOWN_SOURCES = {
    row.folder: row
    for row in (
        KnownSource(
            "sartaj", "Brain Tumor Classification (MRI), Bhuvaji et al., Kaggle 2020, Training folder",
            "doi 10.34740/KAGGLE/DSV/1183165", _ON_KAGGLE, 2870, None, "ax, cor, sag", "T1 with contrast and others",
            "first-collections", outlines=_BRISC,
        ),
        KnownSource(
            "figshare",
            "brain tumor dataset, Cheng 2017: slices whose files are not in the Training folder of Bhuvaji et al.",
            "doi 10.6084/m9.figshare.1512427", "CC BY 4.0", 851, None, "ax, cor, sag", "T1 with contrast",
            "first-collections", outlines=_BRISC,
        ),
        KnownSource(
            "br35h", "Br35H :: Brain Tumor Detection 2020, Hamada, Kaggle 2020: images without tumor",
            "https://www.kaggle.com/datasets/ahmedhamada0/brain-tumor-detection", _ON_KAGGLE, 1500, None, "ax",
            "mixed; some are CT", "first-collections",
        ),
        KnownSource(
            "tcga_lgg", "TCGA-LGG, chosen and outlined by Buda et al. 2019",
            "doi 10.7937/K9/TCIA.2016.L4LTD3TK; doi 10.1016/j.compbiomed.2019.05.002",
            f"images CC BY 3.0, selection and outlines CC BY-NC-SA 4.0; {_NOT_LOOKED_UP}", 2050, 110, "ax",
            "FLAIR, T1 with contrast", "lgg-ljubljana", outlines="Buda et al. 2019, CC BY-NC-SA 4.0",
            findings="slices of patients with a tumor elsewhere; a few may show oedema or an operation",
        ),
        KnownSource(
            "brats_t1ce", "BraTS 2021, RSNA-ASNR-MICCAI", "doi 10.7937/jc8x-9874", "CC BY 4.0", 1101, 119,
            "ax, cor, sag", "T1 with contrast", "brats-oasis", stripped=True,
        ),
        KnownSource(
            "tcga_gbm", "TCGA-GBM, slices chosen on Kaggle", "doi 10.7937/K9/TCIA.2016.RNYFUYE9",
            f"CC BY 3.0; {_NOT_LOOKED_UP}", 239, 35, "ax, cor, sag",
            "T1, T1 with contrast, T2, PD, DWI, ADC, MRA and others", "gbm-healthy-heads",
        ),
        KnownSource(
            "ixi", "IXI, healthy adults", "https://brain-development.org/ixi-dataset", "CC BY-SA 3.0", 769, None,
            "ax, cor, sag", "T1", "first-collections",
        ),
        KnownSource(
            "oasis", "slices like those of OASIS-1, old people with and without dementia", "https://www.oasis-brains.org",
            f"open, terms of OASIS; {_NOT_LOOKED_UP}", 500, None, "ax", "T1", "brats-oasis", stripped=True,
            findings="atrophy",
        ),
        KnownSource(
            "ljubljana_ms", "Multiple sclerosis, Lesjak 2016", "doi 10.1007/s12021-016-9301-1", "CC BY", 238, 7, "ax",
            "FLAIR, T1, T2", "lgg-ljubljana", findings="multiple sclerosis",
        ),
        KnownSource(
            "healthy_heads", "Twelve heads of eight scanners, from the samples of open programs",
            "the samples of brainchop, nilearn, NiiVue, MRIcroGL and others", "BSD, MIT, PDDL, CC BY-SA, each its own",
            504, 12, "ax, cor, sag", "T1, PD, FLAIR, T1 with contrast", "gbm-healthy-heads",
            findings="one head has a stroke",
        ),
    )
}  # fmt: skip
