"""Which names look alike: a second implementation of model/near.c, slow, with Python's own Unicode.

Letters are listed by what Unicode calls them, so that a wrong number in model/near_table.py shows.
"""

import functools
import re
import unicodedata

LOOKS = {
    "CYRILLIC SMALL LETTER ": "A=a;VE=b;SOFT SIGN=b;ES=c;KOMI DE=d;IE=e;EN=h;SHHA=h;BYELORUSSIAN-UKRAINIAN I=i;JE=j;KA=k;"
        "PALOCHKA=l;EM=m;O=o;ER=p;QA=q;GHE=r;DZE=s;TE=t;IZHITSA=v;WE=w;HA=x;U=y;STRAIGHT U=y;ZE=3;ABKHASIAN DZE=3;BE=6",
    "GREEK SMALL LETTER ": "ALPHA=a;BETA=b;EPSILON=e;IOTA=i;KAPPA=k;ETA=n;OMICRON=o;SIGMA=o;FINAL SIGMA=o;RHO=p;TAU=t;MU=u;"
        "UPSILON=u;NU=v;OMEGA=w;CHI=x;GAMMA=y;ZETA=z",
    "COPTIC SMALL LETTER ": "ALFA=a;VIDA=b;SIMA=c;HATE=h;IAUDA=i;KAPA=k;MI=m;NI=n;O=o;RO=p;TAU=t;KHI=x;UA=y",
    "ARMENIAN SMALL LETTER ": "KEH=f;CO=g;HO=h;YI=j;VO=n;OH=o;ZA=q;SEH=u;AYB=w",
    "CHEROKEE LETTER ": "GO=a;SI=b;YV=b;TLI=c;A=d;GV=e;NAH=g;MI=h;V=i;GU=j;TSO=k;TLE=l;LU=m;TLV=p;E=r;SV=r;DU=s;DO=v;LA=w;"
        "TA=w;NO=z;SE=4",
    "LISU LETTER ": "A=a;BA=b;CA=c;DA=d;E=e;TSA=f;GA=g;XA=h;I=i;JA=j;KA=k;LA=l;MA=m;NA=n;O=o;PA=p;ZHA=r;SA=s;TA=t;U=u;HA=v;"
        "WA=w;SHA=x;YA=y;DZA=z",
    "LATIN LETTER SMALL CAPITAL ": "A=a;B=b;C=c;D=d;E=e;F=f;G=g;H=h;I=i;J=j;K=k;L=l;M=m;N=n;O=o;P=p;Q=q;R=r;S=s;T=t;U=u;V=v;"
        "W=w;Y=y;Z=z",
    "LATIN SMALL LETTER ": "ALPHA=a;SCRIPT G=g;DOTLESS I=i;IOTA=i;DOTLESS J=j;V WITH HOOK=v;AE=ae",
    "": "GREEK LUNATE SIGMA SYMBOL=c;GREEK CAPITAL LUNATE SIGMA SYMBOL=c;ESTIMATED SYMBOL=e;GREEK LETTER YOT=j;DIGIT ONE=l;"
        "VERTICAL LINE=l;LATIN LETTER DENTAL CLICK=l;SCRIPT SMALL L=l;DIGIT ZERO=o;HYPHEN=-;NON-BREAKING HYPHEN=-;"
        "FIGURE DASH=-;EN DASH=-;EM DASH=-;HORIZONTAL BAR=-;HYPHEN BULLET=-;MODIFIER LETTER MINUS SIGN=-;MINUS SIGN=-;"
        "ARMENIAN HYPHEN=-;LEFT SINGLE QUOTATION MARK=';RIGHT SINGLE QUOTATION MARK=';"
        "SINGLE HIGH-REVERSED-9 QUOTATION MARK=';MODIFIER LETTER PRIME=';MODIFIER LETTER APOSTROPHE=';PRIME=';"
        "GRAVE ACCENT=';ARMENIAN APOSTROPHE=';IDEOGRAPHIC FULL STOP=.;ONE DOT LEADER=.;MODIFIER LETTER LOW MACRON=_;"
        "LATIN SMALL LIGATURE OE=oe",
}
LOOK = {unicodedata.lookup(prefix + word.rpartition("=")[0]): word.rpartition("=")[2]
        for prefix, words in LOOKS.items() for word in words.split(";")}

# DerivedCoreProperties.txt, Default_Ignorable_Code_Point.
INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
                       "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
                       "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]")


def digit(c):
    value = unicodedata.decimal(c, None)
    return c if value is None else str(value)


@functools.cache
def fold(name):
    """None: too long, or nothing is left."""
    if len(name.encode()) > 512:
        return None
    before = None
    while name != before:
        before = name
        name = INVISIBLE.sub("", name)
        name = "".join(LOOK.get(c, c) for c in name)
        name = unicodedata.normalize("NFKD", name)
        name = "".join(map(digit, name))
        name = unicodedata.normalize("NFKD", name.casefold())
    name = re.sub("(?<=[ij])\u0307+", "", name).replace("rn", "m").replace("vv", "w").strip(" ")
    return name or None


def pairs(path):
    """(expected, one, other, about) of tests/data/identity/pairs.tsv"""
    for line in path.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            expected, one, other, about = line.split("\t")
            yield expected, one.encode().decode("unicode_escape"), other.encode().decode("unicode_escape"), about
