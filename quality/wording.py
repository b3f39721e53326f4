"""What the checks are called and what their outcomes mean to somebody who sells clothes."""

from typing import NamedTuple


class Wording(NamedTuple):
    """English and Chinese title, and one sentence for each outcome."""

    title: str
    title_zh: str
    passed: str
    warned: str
    failed: str

    def sentence(self, state: str) -> str:
        return {"pass": self.passed, "warn": self.warned, "fail": self.failed}[state]


WORDING = {
    "shape": Wording(
        "Garment shape",
        "衣物形状",
        "The garment is in one piece with a clean outline.",
        "The garment has small loose pieces or shreds; look at its outline.",
        "The garment is torn into pieces; correct the garment mask and make the picture again.",
    ),
    "veil": Wording(
        "Veil",
        "灰雾",
        "The garment is as clear and deep as in the photo.",
        "The garment looks slightly hazy; compare the dark parts with the photo.",
        "A pale haze lies over the garment; make the picture again.",
    ),
    "edge": Wording(
        "Edges",
        "边缘",
        "The garment's outline is as crisp as in the photo.",
        "The garment's outline is a little soft; look at sleeves and hem.",
        "The garment's outline is blurred; make the picture again at a higher resolution.",
    ),
    "outline": Wording(
        "Outline",
        "轮廓",
        "Sleeves, hem and neckline are where they are in the photo.",
        "{Place} is not quite where it is in the photo; compare both.",
        "{Place} has moved away from where it is in the photo; make the picture again.",
    ),
    "color": Wording(
        "Colour",
        "颜色",
        "The garment has kept its colour.",
        "The garment's colour is slightly off; hold it against the photo.",
        "The garment's colour has changed; buyers would send it back.",
    ),
    "texture": Wording(
        "Fabric detail",
        "面料细节",
        "Weave, seams and prints are as detailed as in the photo.",
        "Some of the fabric's fine detail is gone; zoom in on it.",
        "The fabric looks smoothed; its weave or print is lost.",
    ),
    "marks": Wording(
        "Logo and print",
        "标志和印花",
        "Logos and prints of the photo are found again.",
        "Some of the logo or print is not found again; compare it with the photo.",
        "The logo or print is lost or has become another one.",
    ),
    "blur": Wording(
        "Sharpness",
        "清晰度",
        "The garment is as sharp as in the photo.",
        "The garment is a little softer than in the photo.",
        "The garment is blurred; make the picture again at a higher resolution.",
    ),
    "clipping": Wording(
        "Clipped tones",
        "高光和阴影溢出",
        "Highlights and shadows keep their detail.",
        "Some of the garment is pure white or black and was not in the photo.",
        "Much of the garment is pure white or black; its fabric is not to be seen there.",
    ),
    "leak": Wording(
        "Outside the garment",
        "衣物以外",
        "Everything outside the repainted area is untouched, pixel by pixel.",
        "Pixels outside the repainted area have changed, too little to be seen at a glance.",
        "The picture has visibly changed where it should not.",
    ),
    "seam": Wording(
        "Seam",
        "接缝",
        "No line shows where the repainted area ends.",
        "A faint line may show where the repainted area ends.",
        "A line shows where the repainted area ends; feather or enlarge the mask.",
    ),
    "residue": Wording(
        "Mannequin left over",
        "模特架残留",
        "Nothing of the mannequin is left.",
        "A little of the mannequin may be left; look at neck, wrists and hem.",
        "Parts of the mannequin are still to be seen.",
    ),
    "masks": Wording(
        "Masks",
        "遮罩",
        "Garment and mannequin are told apart with confidence.",
        "Garment and mannequin may be told apart wrongly, and the result is only as good as its "
        "masks; look at the overlay of Parse Mannequin Photo.",
        "Garment and mannequin could not be told apart reliably; look at the overlay of Parse "
        "Mannequin Photo, and take another photo or correct the mask.",
    ),
}

OVERALL = {
    "pass": ("Ready to publish", "可以发布", "Every check that could be made is passed."),
    "warn": (
        "Look before you publish",
        "发布前请检查",
        "Nothing is broken, but something is doubtful.",
    ),
    "fail": (
        "Do not publish",
        "请勿发布",
        "At least one check found a fault that buyers would see.",
    ),
    "unmeasurable": (
        "Could not be checked",
        "无法检测",
        "Nothing could be measured; this is no pass.",
    ),
}

# Of `zones.NAMED`; a place of the grid is told in brackets.
PLACES = {
    "left_sleeve": "The left sleeve",
    "right_sleeve": "The right sleeve",
    "neckline": "The neckline",
    "waist": "The waist",
    "hem": "The hem",
    "left_side": "The garment's left side",
    "right_side": "The garment's right side",
}
WHOLE = "The garment's outline"
STATES_ZH = {"pass": "通过", "warn": "注意", "fail": "不合格", "unmeasurable": "无法测量"}
AGAINST_BASELINE = " vs earlier"
AGAINST_BASELINE_ZH = " · 与之前相比"


def title(name: str) -> str:
    """Returns a check's English title; names may end in `_vs_baseline`."""
    base = name.removesuffix("_vs_baseline")
    return WORDING[base].title + (AGAINST_BASELINE if base != name else "")


def title_zh(name: str) -> str:
    """Returns a check's Chinese title; names may end in `_vs_baseline`."""
    base = name.removesuffix("_vs_baseline")
    return WORDING[base].title_zh + (AGAINST_BASELINE_ZH if base != name else "")


def sentence(name: str, state: str, where: str = "") -> str:
    """Returns what a measured outcome means, for pass, warn and fail, at the place named."""
    text = WORDING[name.removesuffix("_vs_baseline")].sentence(state)
    text = text.replace("{Place}", PLACES.get(where, f"The outline ({where})") if where else WHOLE)
    return text.replace("in the photo", "in the earlier result") if "_vs_" in name else text
