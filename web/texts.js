// @ts-check
/** All words of the drawing widget, in English and Chinese. */

/** @typedef {Readonly<Record<string, string>>} Texts */

/** @type {Texts} */
const EN = {
  canvas: "Drawing area: draw hints on the photo",
  toolbar: "Drawing tools",
  "tool.pen": "Pen",
  "tool.eraser": "Eraser: cuts out of strokes what it touches",
  "tool.line": "Straight line; Shift snaps to 15 degrees",
  "tool.head": "Head with face: drag its box, or click",
  "tool.limb": "Arm or leg: drag from joint to joint",
  "tool.move": "Select and move a stroke; arrow keys nudge it",
  "action.undo": "Undo",
  "action.redo": "Redo",
  "action.mirror": "Mirror the selected stroke, or all: left becomes right",
  "action.mirror-copy": "Mirror a copy to the other side",
  "action.delete": "Delete the selected stroke",
  "action.clear": "Clear the drawing",
  "action.propose": "Propose strokes for the missing body; what you drew stays",
  "action.propose-rest": "Keep mine, propose the rest: only parts that you have not drawn",
  "action.fullscreen": "Full screen",
  "action.zoom-in": "Zoom in",
  "action.zoom-out": "Zoom out",
  "action.zoom-fit": "Show the whole photo",
  "action.help": "Keys and gestures",
  "action.refit": "Fit to the new photo",
  "action.keep": "Keep as it is",
  "action.clear-changed": "Clear",
  "action.dismiss": "Close this message",
  "control.role": "What the stroke stands for",
  "control.radius": "Radius in photo pixels",
  "control.pressure": "Pressure: a pen's own, thin ends with mouse and finger",
  "control.opacity": "Opacity of the photo",
  "group.body": "Body",
  "group.corrections": "Corrections of the parsing",
  "role.head": "Head",
  "role.face": "Face",
  "role.hair": "Hair",
  "role.neck": "Neck",
  "role.shoulders": "Shoulders",
  "role.arm_left": "Left arm",
  "role.arm_right": "Right arm",
  "role.hand_left": "Left hand",
  "role.hand_right": "Right hand",
  "role.torso": "Torso",
  "role.leg_left": "Left leg",
  "role.leg_right": "Right leg",
  "role.foot_left": "Left foot",
  "role.foot_right": "Right foot",
  "role.free": "Free",
  "role.garment": "This is garment",
  "role.mannequin": "This is mannequin",
  "role.background": "This is background",
  "hint.no-photo": "Connect Load Image, or run once, to see the photo here.",
  "hint.proposal": "Proposal: used as it is until you draw on it",
  "hint.loading": "Loading the photo",
  "notice.help": "Keys work after a click into the drawing, until Escape: P pen, E eraser, L line, H head, B arm or leg, V move; [ and ] radius; Ctrl+Z undo, Ctrl+Y redo; M mirror, Shift+M mirror a copy, Delete, arrows nudge; + - 0 zoom, F full screen. The wheel or two fingers zoom, Space and drag or the middle button move the photo; before a click, the wheel zooms the graph.",
  "notice.photo-changed": "The photo has changed: these strokes were drawn on another one. Fit them to it, keep them as they are, or clear them.",
  "notice.no-photo": "There is no photo to draw on yet. Connect Load Image, or run the workflow once.",
  "notice.photo-missing": "The photo {name} cannot be shown. Choose it again in Load Image.",
  "notice.busy.propose": "Proposing strokes. The first time takes a few seconds.",
  "notice.busy.refit": "Fitting the strokes to the new photo.",
  "notice.warning": "{text}",
  "notice.server": "{text}",
  "notice.server.unreachable": "Dressform's server did not answer ({text}). Is ComfyUI running with this version of Dressform?",
  "notice.unexpected": "This did not work: {text}",
  "notice.too-long": "A drawing can hold at most {limit} bytes; this one would have {got}. Draw fewer strokes or erase some.",
  "notice.too-many-strokes": "A drawing can hold at most {limit} strokes; this one would have {got}. Erase some first.",
  "notice.kept": "The strokes of this workflow cannot be read: {reason} They stay in the workflow until you draw or clear.",
  "notice.not-json": "they are not JSON.",
  "notice.keys": "{name} must be an object with {wanted}, got {got}.",
  "notice.version": "version must be {wanted}, got {got}. Update Dressform.",
  "notice.photo": "the photo's fingerprint must be up to 64 hex digits, got {got}.",
  "notice.role": "{name} has an unknown role, {got}.",
  "notice.source": "{name} must be proposed or drawn, got {got}.",
  "notice.color": "{name} must have a colour like #e69f00, got {got}.",
  "notice.closed": "{name}: closed must be true or false, got {got}.",
  "notice.points": "{name} must have 1 to {limit} points, got {got}.",
  "notice.point": "{name} must be x, y and pressure, got {got}.",
  "notice.number": "{name} must be a number from {low} to {high}, got {got}.",
  "notice.side": "{name} must be a whole number from 1 to {high}, got {got}.",
  "notice.landmarks": "landmarks must be {wanted} joints, got {got}.",
};

/** @type {Texts} */
const ZH = {
  canvas: "绘图区：在照片上画提示线",
  toolbar: "绘图工具",
  "tool.pen": "画笔",
  "tool.eraser": "橡皮：擦掉碰到的部分",
  "tool.line": "直线；按住 Shift 对齐 15 度",
  "tool.head": "头和脸：拖出外框，或点击放置",
  "tool.limb": "手臂或腿：从一个关节拖到另一个关节",
  "tool.move": "选择并移动一笔；方向键微调",
  "action.undo": "撤销",
  "action.redo": "重做",
  "action.mirror": "镜像所选的一笔或全部：左右互换",
  "action.mirror-copy": "镜像复制到另一侧",
  "action.delete": "删除所选的一笔",
  "action.clear": "清空",
  "action.propose": "自动补画缺失的人体；你画的保留",
  "action.propose-rest": "保留我画的，其余自动补画",
  "action.fullscreen": "全屏",
  "action.zoom-in": "放大",
  "action.zoom-out": "缩小",
  "action.zoom-fit": "显示整张照片",
  "action.help": "快捷键和手势",
  "action.refit": "适配新照片",
  "action.keep": "原样保留",
  "action.clear-changed": "清空",
  "action.dismiss": "关闭提示",
  "control.role": "这一笔代表的部位",
  "control.radius": "笔触半径（照片像素）",
  "control.pressure": "压感：手写笔用真实压感，鼠标和手指两端变细",
  "control.opacity": "照片不透明度",
  "group.body": "人体",
  "group.corrections": "修正识别结果",
  "role.head": "头",
  "role.face": "脸",
  "role.hair": "头发",
  "role.neck": "脖子",
  "role.shoulders": "肩膀",
  "role.arm_left": "左臂",
  "role.arm_right": "右臂",
  "role.hand_left": "左手",
  "role.hand_right": "右手",
  "role.torso": "躯干",
  "role.leg_left": "左腿",
  "role.leg_right": "右腿",
  "role.foot_left": "左脚",
  "role.foot_right": "右脚",
  "role.free": "自由",
  "role.garment": "这是服装",
  "role.mannequin": "这是人台",
  "role.background": "这是背景",
  "hint.no-photo": "连接“加载图像”，或先运行一次，照片会显示在这里。",
  "hint.proposal": "自动补画：动笔之前按此使用",
  "hint.loading": "正在加载照片",
  "notice.help": "点击画布后快捷键生效，按 Escape 退出：P 画笔，E 橡皮，L 直线，H 头，B 手臂或腿，V 移动；[ 和 ] 调半径；Ctrl+Z 撤销，Ctrl+Y 重做；M 镜像，Shift+M 镜像复制，Delete 删除，方向键微调；+ - 0 缩放，F 全屏。滚轮或双指缩放，按住空格或中键拖动移动照片；未点击画布时滚轮缩放工作流。",
  "notice.photo-changed": "照片已更换：这些线条画在另一张照片上。请选择适配新照片、原样保留或清空。",
  "notice.no-photo": "还没有可以画的照片。请连接“加载图像”，或先运行一次工作流。",
  "notice.photo-missing": "无法显示照片 {name}。请在“加载图像”中重新选择。",
  "notice.busy.propose": "正在自动补画。第一次需要几秒钟。",
  "notice.busy.refit": "正在把线条适配到新照片。",
  "notice.warning": "{text}",
  "notice.server": "Dressform 服务器拒绝了请求（{code}）：{text}",
  "notice.server.body-too-large": "请求过大：线条太多。请擦掉一部分。",
  "notice.server.no-body": "照片中没有找到服装或人台，无法补画。请换一张照片，或自己画。",
  "notice.server.bad-document": "服务器无法读取这些线条：{text}",
  "notice.server.bad-photo": "无法使用这张照片。请在“加载图像”中重新选择。",
  "notice.server.photo-not-found": "ComfyUI 的文件夹中没有这张照片。请重新上传，或运行一次工作流。",
  "notice.server.photo-outside": "照片不在 ComfyUI 的文件夹内。请在“加载图像”中重新选择。",
  "notice.server.photo-too-large": "照片太大。请缩小后再用，或先运行一次工作流。",
  "notice.server.not-an-image": "这个文件不是完整的图片。请另存为 JPEG、PNG 或 WebP。",
  "notice.server.unreachable": "Dressform 服务器没有响应（{text}）。请确认 ComfyUI 正在运行此版本的 Dressform。",
  "notice.unexpected": "操作失败：{text}",
  "notice.too-long": "一幅画最多 {limit} 字节，这一幅会有 {got} 字节。请少画一些，或擦掉一部分。",
  "notice.too-many-strokes": "一幅画最多 {limit} 笔，这一幅会有 {got} 笔。请先擦掉一些。",
  "notice.kept": "无法读取此工作流中的线条：{reason}在你动笔或清空之前，原内容保留在工作流中。",
  "notice.not-json": "内容不是 JSON。",
  "notice.keys": "{name} 必须是包含 {wanted} 的对象，实际为 {got}。",
  "notice.version": "version 必须是 {wanted}，实际为 {got}。请更新 Dressform。",
  "notice.photo": "照片指纹最多 64 位十六进制数，实际为 {got}。",
  "notice.role": "{name} 的部位未知：{got}。",
  "notice.source": "{name} 的来源必须是 proposed 或 drawn，实际为 {got}。",
  "notice.color": "{name} 的颜色格式应为 #e69f00，实际为 {got}。",
  "notice.closed": "{name} 的 closed 必须是 true 或 false，实际为 {got}。",
  "notice.points": "{name} 必须有 1 到 {limit} 个点，实际为 {got}。",
  "notice.point": "{name} 必须是 x、y 和压力，实际为 {got}。",
  "notice.number": "{name} 必须是 {low} 到 {high} 的数，实际为 {got}。",
  "notice.side": "{name} 必须是 1 到 {high} 的整数，实际为 {got}。",
  "notice.landmarks": "landmarks 必须是 {wanted} 个关节，实际为 {got}。",
};

export const LANGUAGES = Object.freeze({ en: EN, zh: ZH });

/** Sentences about a text that cannot be read; others are about what the user just did. */
const UNREADABLE = [
  "not-json",
  "keys",
  "version",
  "photo",
  "role",
  "source",
  "color",
  "closed",
  "points",
  "point",
  "number",
  "side",
  "landmarks",
];

/**
 * @param {unknown} locale ComfyUI's setting, such as "en", "zh" or "zh-TW"
 * @returns {Texts}
 */
export function textsFor(locale) {
  return typeof locale === "string" && locale.startsWith("zh") ? ZH : EN;
}

/**
 * Fills a sentence's places.
 *
 * @param {string} sentence
 * @param {Record<string, string | number>} [values]
 */
export function fill(sentence, values = {}) {
  return sentence.replaceAll(/\{(\w+)\}/g, (whole, key) =>
    Object.hasOwn(values, key) ? String(values[key]) : whole,
  );
}

/**
 * @param {Texts} texts
 * @param {{code: string, values?: Record<string, string | number>}} notice
 */
export function sentenceOf(texts, { code, values }) {
  const special = code === "server" && values ? `notice.server.${values.code}` : "";
  const sentence = fill(texts[special] ?? texts[`notice.${code}`] ?? code, values);
  return UNREADABLE.includes(code) ? fill(texts["notice.kept"], { reason: sentence }) : sentence;
}
