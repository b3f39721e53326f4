"""What the lint's findings are called and what to do about them, in English and Chinese."""

from collections.abc import Mapping
from typing import NamedTuple


class Wording(NamedTuple):
    """A check's titles, and one sentence each for a pass and for a warning or failure.

    `{where}` in an advice stands for what `_where` makes of the measure's details.
    """

    title: str
    title_zh: str
    passed: str
    passed_zh: str
    advice: str
    advice_zh: str


WORDING = {
    "parsing": Wording(
        "Parsing",
        "解析可信度",
        "Garment and mannequin are told apart with confidence.",
        "服装与人台区分可靠。",
        "Garment and mannequin may be told apart wrongly: look at the overlay of Parse Mannequin "
        "Photo, and correct the mask or take another photo.",
        "服装与人台可能区分有误:请查看“解析人台照片”的叠加图,修正遮罩或重新拍摄。",
    ),
    "resolution": Wording(
        "Resolution",
        "分辨率",
        "The garment has enough pixels to zoom into.",
        "服装像素足够放大查看。",
        "The garment itself has few pixels: go closer, zoom in, or send the camera's original file "
        "instead of a reduced copy.",
        "服装本身的像素偏少:请靠近或变焦拍摄,或使用相机原图而非缩小后的副本。",
    ),
    "fill": Wording(
        "Size in the frame",
        "画面占比",
        "The garment fills the frame well.",
        "服装在画面中大小合适。",
        "The garment is small in the frame: go closer, zoom in, or crop the photo.",
        "服装在画面中过小:请靠近、变焦,或裁剪照片。",
    ),
    "cropping": Wording(
        "Cut by the frame",
        "被画面裁切",
        "The whole garment is in the frame.",
        "服装完整地在画面内。",
        "The garment is cut by the frame{where}: step back, or send the photo before it was "
        "cropped; what is missing cannot be made up truthfully.",
        "服装被画面{where}裁切:请后退重拍或使用未裁剪的原图;缺失部分无法真实补全。",
    ),
    "margin": Wording(
        "Margin",
        "边距",
        "There is room between the garment and the frame.",
        "服装与画面边缘之间留有空间。",
        "The garment nearly touches the frame{where}: leave some backdrop on every side.",
        "服装几乎碰到画面{where}:请在四周留出一些背景。",
    ),
    "count": Wording(
        "Garments",
        "服装数量",
        "One garment on one figure is in the photo.",
        "照片中只有一个主体。",
        "Several garments or figures stand apart: crop the photo to one of them.",
        "照片中有多件服装或多个人台:请裁剪到只剩其中一个。",
    ),
    "tilt": Wording(
        "Tilt",
        "倾斜",
        "The figure stands upright.",
        "主体竖直。",
        "The figure leans{where}: straighten the stand, or turn the photo back.",
        "主体{where}倾斜:请扶正支架或旋转照片。",
    ),
    "blur": Wording(
        "Sharpness",
        "清晰度",
        "The garment's edges are sharp.",
        "服装边缘清晰。",
        "The garment is not sharp: focus on it, use a tripod or a shorter exposure, and send no "
        "enlarged copy.",
        "服装不够清晰:请对焦到服装,使用三脚架或更短的曝光时间,不要使用放大后的副本。",
    ),
    "noise": Wording(
        "Noise",
        "噪点",
        "The photo is clean of grain.",
        "照片没有明显噪点。",
        "The photo is grainy: use more light and a lower ISO.",
        "照片噪点明显:请增加光线并降低 ISO。",
    ),
    "compression": Wording(
        "Compression",
        "压缩痕迹",
        "Compression has left no blocks.",
        "没有压缩方块。",
        "The file is compressed so far that blocks show: export it at JPEG quality 85 or more, "
        "from the original.",
        "文件压缩过度,出现方块:请从原图以 85 以上的 JPEG 质量重新导出。",
    ),
    "brightness": Wording(
        "Light",
        "亮度",
        "The photo has enough light.",
        "照片亮度足够。",
        "The photo is dark: expose longer or add light until the backdrop is light.",
        "照片偏暗:请增加曝光或补光,直到背景明亮。",
    ),
    "blown": Wording(
        "Overexposed garment",
        "服装过曝",
        "No part of the garment that matters is clipped to white.",
        "服装没有明显过曝。",
        "Parts of the garment are clipped to white, so folds and edges are lost there: expose a "
        "stop less or move the lamps away.",
        "服装部分区域过曝成纯白,褶皱和边缘丢失:请降低一档曝光或移远灯光。",
    ),
    "crushed": Wording(
        "Underexposed garment",
        "服装死黑",
        "No part of the garment that matters is lost in black.",
        "服装没有明显死黑。",
        "Parts of the garment are lost in black: expose a stop more or light it from the side.",
        "服装部分区域死黑:请增加一档曝光或从侧面补光。",
    ),
    "cast": Wording(
        "Colour of the light",
        "偏色",
        "The backdrop is neutral, so the light is.",
        "背景中性,光线没有偏色。",
        "A backdrop that should be white or grey looks {where}: set the white balance on it, "
        "unless the wall really has this colour.",
        "本应为白或灰的背景{where}:请以背景校准白平衡;若墙面本来就是这种颜色可忽略。",
    ),
    "mannequin_contrast": Wording(
        "Mannequin contrast",
        "与人台的反差",
        "The garment's colour differs from the mannequin's.",
        "服装与人台颜色区别明显。",
        "Garment and mannequin have nearly the same colour: check neck, arms and hem of the mask, "
        "or use a mannequin of another colour.",
        "服装与人台颜色接近:请检查领口、袖口和下摆的遮罩,或换一种颜色的人台。",
    ),
    "backdrop_contrast": Wording(
        "Backdrop contrast",
        "与背景的反差",
        "The garment's colour differs from the backdrop's.",
        "服装与背景颜色区别明显。",
        "Garment and backdrop have nearly the same colour: check the outline of the mask, or use a "
        "backdrop of another colour; grey paper is enough behind white.",
        "服装与背景颜色接近:请检查遮罩轮廓,或更换背景颜色;白色服装用灰色背景纸即可。",
    ),
    "clutter": Wording(
        "Other things",
        "杂物",
        "Nothing else is in the photo.",
        "照片中没有其他物品。",
        "Other things are in the photo: take them out of the picture or crop them away.",
        "照片中有其他物品:请移开或裁掉。",
    ),
    "unrest": Wording(
        "Backdrop",
        "背景",
        "The backdrop beside the garment is plain.",
        "服装周围的背景干净。",
        "The backdrop beside the garment is patterned: use plain paper or cloth, or throw it out "
        "of focus.",
        "服装周围的背景有花纹:请使用纯色背景纸或布,或将背景虚化。",
    ),
}

# Words for `{where}`: English, Chinese.
SIDES = {"top": "上边", "bottom": "下边", "left": "左边", "right": "右边"}
LEANS = {True: (" to the right", "向右"), False: (" to the left", "向左")}
CASTS = {True: ("yellowish", "偏黄"), False: ("bluish", "偏蓝")}

GRADES = {
    "A": ("Nothing to object.", "没有问题。"),
    "B": ("Good, with one remark.", "良好,有一处提示。"),
    "C": ("Usable, with several remarks.", "可用,有多处提示。"),
    "D": ("Doubtful: one fault should be put right first.", "存疑:请先解决一处问题。"),
    "E": ("Take the photo again.", "建议重新拍摄。"),
}


def sentence(name: str, state: str, details: Mapping[str, float]) -> tuple[str, str]:
    """Returns the English and the Chinese sentence of a measured outcome."""
    words = WORDING[name]
    if state == "pass":
        return words.passed, words.passed_zh
    where, where_zh = _where(name, details)
    return words.advice.format(where=where), words.advice_zh.format(where=where_zh)


def _where(name: str, details: Mapping[str, float]) -> tuple[str, str]:
    if name == "tilt":
        return LEANS[details["angle_deg"] > 0]
    if name == "cast":
        return CASTS[details["b"] > 0]
    if name == "cropping":
        sides = [side for side in SIDES if details[side] > 0]
    elif name == "margin":
        sides = [min(SIDES, key=lambda side: details[side])]
    else:
        return "", ""
    return f" at the {' and '.join(sides)}", "、".join(SIDES[side] for side in sides)
