"""What no engine may repaint on a person: hands, face, hair and feet."""

import cv2
import numpy as np

from . import masks, zones
from .color import to_lab
from .zones import SIDES, Zones

# Room around the drawn parts, in statures: hair stands off a head, fingers and shoes off a drawing.
HAIR, FINGERS, SHOES, CHIN = 0.035, 0.04, 0.035, 0.004
# A pose may put a wrist off by this much: skin counts as hand from there on, of a hand's length.
WRIST = -0.05
# Where shoes begin, of a foot's length below the ankle: new trousers must be able to cover that. A
# pose may put it off by this much; and where old ones hang about it, pieces of them are often taken
# for skin.
ANKLE, INSTEP = 0.0, 0.3
# Room around an arm that crosses clothes that go.
ARM = 0.01
# Cloth over a hand or a foot is uncovered in steps of this share of it, so that the border does
# not follow a cuff.
STEP, COUNT = 0.125, 8
# How far cloth may be from a drawn hand, foot or head and still lie on it, in statures.
ON_IT = 0.035
# Share of a step that cloth must cover; and of the surroundings of a foot, to hang about it.
MOST, FEW = 0.5, 0.1
# Of a head, the share at the top that shows hair; and what two colours must differ by to be told
# apart, in Lab.
CROWN, APART = 0.3, 14.0
# Colours within this distance of the usual hair are hair, in standard deviations and in Lab.
HAIR_SPREAD, HAIR_LEAST = 3.0, 6.0
# Hair never hangs lower than this, in statures below the neck.
LONGEST_HAIR = 0.3


def select(
    skin: np.ndarray, cloth: np.ndarray, body: Zones, *, bare: float, image: np.ndarray | None
) -> np.ndarray:
    """Selects what of a body must stay, on the working copy.

    Args:
        skin: (h, w) bool, the person but for the garment.
        cloth: (h, w) bool, the old garment as far as it must go.
        body: Zones of the person.
        bare: Share of the arms from shoulder to wrist from which on they stay, too; above 1 only
            the hands do.
        image: (h, w, 3) uint8 sRGB; without it hair below the chin is not told from skin.

    Returns:
        (h, w) bool.
    """
    found = _head(skin, body, cloth)
    if image is not None:
        found |= _hair(image, skin, body) & ~cloth
    for side in SIDES:
        # Arms that stay have no sleeve that goes.
        cuff = 0.0 if bare <= 0 else uncovered(body, cloth, f"hand_{side}")
        hem = uncovered(body, cloth, f"foot_{side}")
        found |= _end(skin, body, cuff, f"hand_{side}", FINGERS, WRIST) & ~cloth
        first = INSTEP if _hung_about(body, cloth, f"foot_{side}") else ANKLE
        found |= _end(skin, body, hem, f"foot_{side}", SHOES, first) & ~cloth
        away = body.away[f"arm_{side}"]
        arm = (away <= 0) | ((away <= ARM) & skin)
        found |= arm & (body.along[f"arm_{side}"] >= bare) & ~cloth
    return found


def shoes(support: np.ndarray, body: Zones) -> np.ndarray:
    """Selects of what the parser takes for a stand what are the shoes of a person."""
    away = np.minimum(*(body.away[f"foot_{side}"] for side in SIDES))
    return support & (away <= 2 * SHOES)


def uncovered(body: Zones, cloth: np.ndarray, name: str) -> float:
    """Returns from which share of a hand or foot on it stays: 0, or more where cloth covers it.

    Cloth beside it, such as a skirt behind a hand that hangs down, does not cover it: a cuff does
    so from the wrist on, and from one side to the other.
    """
    inside = (body.away[name] <= 0) & (body.along[name] > 0)
    steps = np.minimum(body.along[name][inside] / STEP, COUNT - 1).astype(int)
    seen = np.bincount(steps, minlength=COUNT)
    covered = np.bincount(steps[cloth[inside]], minlength=COUNT) > MOST * seen
    return STEP * float(np.argmin(np.append(covered, False)))


def _hung_about(body: Zones, cloth: np.ndarray, name: str) -> bool:
    """Whether cloth comes down to a foot."""
    near = (body.away[name] <= ON_IT) & (body.along[name] > -ON_IT / zones.FOOT_LENGTH)
    return bool(np.count_nonzero(cloth & near) > FEW * np.count_nonzero(near))


def beside_head(body: Zones) -> np.ndarray:
    """Returns (h, w) bool, where the head is nearer than what a garment without a hood covers."""
    below = zones.nearest(body, ("torso", "neck", *(f"arm_{side}" for side in SIDES)))[1]
    return (body.away["head"] < below) & (body.along["torso"] < _chin(body))


def _end(
    skin: np.ndarray, body: Zones, cut: float, name: str, room: float, first: float
) -> np.ndarray:
    """Selects a hand or a foot, from a straight cut on where cloth covers part of it."""
    beyond = body.along[name] >= (cut if cut > 0 else first)
    # A pose that is a little off still has its hand where no other part is nearer.
    limb = name.replace("hand", "arm") if name.startswith("hand") else "legs"
    own = (body.away[name] <= body.away[limb]) & (body.away[name] <= body.away["torso"])
    seen = skin & ((body.away[name] <= room) | (own & (body.away[name] <= 2 * room)))
    # Where nothing is seen of it, its drawing must do.
    return (seen if seen.any() else body.away[name] <= 0) & beyond


def _head(skin: np.ndarray, body: Zones, cloth: np.ndarray) -> np.ndarray:
    """Selects face and hair around it, but for a hood or a collar over them."""
    away = body.away["head"]
    # Below the chin lies the neck, which a collar may cover.
    above = body.along["torso"] < _chin(body)
    return ((away <= CHIN) | ((away <= HAIR) & skin & above)) & ~cloth


def _chin(body: Zones) -> float:
    """Returns where the head ends, in statures below the neck (so it is negative)."""
    inside = body.away["head"] <= 0
    return float(body.along["torso"][inside].max()) if inside.any() else -np.inf


def _hair(image: np.ndarray, skin: np.ndarray, body: Zones) -> np.ndarray:
    """Selects hair that hangs from the head, by its colour on the crown."""
    none = np.zeros(skin.shape, bool)
    head = (body.away["head"] <= HAIR) & skin
    face = (body.away["head"] <= 0) & skin
    box = masks.bounds(face)
    if box is None:
        return none
    rows = np.arange(skin.shape[0])[:, None]
    crown = head & (rows < box.top + CROWN * box.height)
    lower = face & (rows > box.top + (1 - CROWN) * box.height)
    limbs = [body.away[f"{limb}_{side}"] <= 0 for side in SIDES for limb in ("arm", "hand")]
    arms = skin & np.logical_or.reduce(limbs)
    if not crown.any() or not (lower | arms).any():
        return none
    lab = to_lab(image)
    usual = np.median(lab[crown], 0)
    bare = np.median(lab[arms if arms.any() else lower], 0)
    if np.linalg.norm(usual - bare) < APART:
        return none
    spread = 1.4826 * np.median(np.abs(lab[crown] - usual), 0)
    off = np.linalg.norm((lab - usual) / np.maximum(HAIR_SPREAD * spread, HAIR_LEAST), axis=-1)
    nearer = np.linalg.norm(lab - usual, axis=-1) < np.linalg.norm(lab - bare, axis=-1)
    like = skin & (off < 1) & nearer & (body.along["torso"] < LONGEST_HAIR)
    like = cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
    return _hanging(like | crown, crown)


def _hanging(like: np.ndarray, crown: np.ndarray) -> np.ndarray:
    """Keeps of what looks like hair the pieces that hang together with the crown."""
    count, pieces = cv2.connectedComponents(like.astype(np.uint8))
    kept = np.zeros(count, bool)
    kept[np.unique(np.asarray(pieces, np.int32)[crown])] = True
    kept[0] = False
    return kept[pieces]
