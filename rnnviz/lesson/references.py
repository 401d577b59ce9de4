"""Where the lesson's facts and formulas come from."""

from __future__ import annotations

REFERENCES = {
    "alpaydin1998": ("Alpaydin and Kaynak 1998", "https://doi.org/10.24432/C50P49"),
    "arjovsky2016": ("Arjovsky, Shah and Bengio 2016", "https://arxiv.org/abs/1511.06464"),
    "bahdanau2015": ("Bahdanau, Cho and Bengio 2015", "https://arxiv.org/abs/1409.0473"),
    "beck2024": ("Beck et al. 2024", "https://arxiv.org/abs/2405.04517"),
    "bengio1994": ("Bengio, Simard and Frasconi 1994", "https://doi.org/10.1109/72.279181"),
    "blelloch1990": ("Blelloch 1990", "https://www.cs.cmu.edu/~guyb/papers/Ble93.pdf"),
    "bradbury2017": ("Bradbury et al. 2017", "https://arxiv.org/abs/1611.01576"),
    "cho2014": ("Cho et al. 2014", "https://arxiv.org/abs/1406.1078"),
    "chung2014": ("Chung et al. 2014", "https://arxiv.org/abs/1412.3555"),
    "elman1990": ("Elman 1990", "https://doi.org/10.1207/s15516709cog1402_1"),
    "feng2024": ("Feng et al. 2024", "https://arxiv.org/abs/2410.01201"),
    "gal2016": ("Gal and Ghahramani 2016", "https://arxiv.org/abs/1512.05287"),
    "gers2000": ("Gers, Schmidhuber and Cummins 2000", "https://doi.org/10.1162/089976600300015015"),
    "glorot2010": ("Glorot and Bengio 2010", "https://proceedings.mlr.press/v9/glorot10a.html"),
    "goodfellow2016": ("Goodfellow, Bengio and Courville 2016, chapter 10", "https://www.deeplearningbook.org/"),
    "graves2005": ("Graves and Schmidhuber 2005", "https://doi.org/10.1016/j.neunet.2005.06.042"),
    "graves2012": ("Graves 2012", "https://arxiv.org/abs/1211.3711"),
    "gu2022": ("Gu, Goel and Ré 2022", "https://arxiv.org/abs/2111.00396"),
    "gu2023": ("Gu and Dao 2023", "https://arxiv.org/abs/2312.00752"),
    "hard2018": ("Hard et al. 2018", "https://arxiv.org/abs/1811.03604"),
    "he2016": ("He et al. 2016", "https://arxiv.org/abs/1512.03385"),
    "he2019": ("He et al. 2019", "https://arxiv.org/abs/1811.06621"),
    "hillis1986": ("Hillis and Steele 1986", "https://doi.org/10.1145/7902.7903"),
    "hochreiter1991": (
        "Hochreiter 1991",
        "https://people.idsia.ch/~juergen/SeppHochreiter1991ThesisAdvisorSchmidhuber.pdf",
    ),
    "hochreiter1997": ("Hochreiter and Schmidhuber 1997", "https://doi.org/10.1162/neco.1997.9.8.1735"),
    "karpathy2015": ("Karpathy 2015", "https://karpathy.github.io/2015/05/21/rnn-effectiveness/"),
    "khandelwal2018": ("Khandelwal et al. 2018", "https://arxiv.org/abs/1805.04623"),
    "le2015": ("Le, Jaitly and Hinton 2015", "https://arxiv.org/abs/1504.00941"),
    "luong2015": ("Luong, Pham and Manning 2015", "https://arxiv.org/abs/1508.04025"),
    "maas2011": ("Maas et al. 2011", "https://aclanthology.org/P11-1015/"),
    "martin2018": ("Martin and Cundy 2018", "https://arxiv.org/abs/1709.04057"),
    "mikolov2013": ("Mikolov et al. 2013", "https://arxiv.org/abs/1301.3781"),
    "orvieto2023": ("Orvieto et al. 2023", "https://arxiv.org/abs/2303.06349"),
    "pascanu2013": ("Pascanu, Mikolov and Bengio 2013", "https://arxiv.org/abs/1211.5063"),
    "peng2023": ("Peng et al. 2023", "https://arxiv.org/abs/2305.13048"),
    "saxe2014": ("Saxe, McClelland and Ganguli 2014", "https://arxiv.org/abs/1312.6120"),
    "schuster1997": ("Schuster and Paliwal 1997", "https://doi.org/10.1109/78.650093"),
    "srivastava2014": ("Srivastava et al. 2014", "https://jmlr.org/papers/v15/srivastava14a.html"),
    "sutskever2014": ("Sutskever, Vinyals and Le 2014", "https://arxiv.org/abs/1409.3215"),
    "vaswani2017": ("Vaswani et al. 2017", "https://arxiv.org/abs/1706.03762"),
    "vinyals2015": ("Vinyals et al. 2015", "https://arxiv.org/abs/1411.4555"),
    "werbos1990": ("Werbos 1990", "https://doi.org/10.1109/5.58337"),
    "wilson1927": ("Wilson 1927", "https://doi.org/10.1080/01621459.1927.10502953"),
    "williams1989": ("Williams and Zipser 1989", "https://doi.org/10.1162/neco.1989.1.2.270"),
    "williams1990": ("Williams and Peng 1990", "https://doi.org/10.1162/neco.1990.2.4.490"),
}
"""Key -> (who and when, where to read it)."""


def cite(*keys: str) -> str:
    """Return sources as Markdown links.

    Raises:
        KeyError: There is no such source.
    """
    return "; ".join("[{}]({})".format(*REFERENCES[key]) for key in keys)
