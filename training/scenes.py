"""Renders training scenes with the benchmark's generator, in a wider range of looks.

    python training/scenes.py --generator ../shared/bench/mannequin/generator --out OUT --count 200

Draping the cloth takes longer than the photo of it, so every draped scene is photographed several
times: from other sides, in other fabrics, before other walls, on forms of other materials, and
sometimes worn by a person. Runs in an environment of its own, which needs bpy 5.0.1 and opencv.

OUT/<id>/ holds `photo.jpg`, `labels.png`, `keypoints.json` (where there is a body) and `meta.json`
in the benchmark's format. Finished scenes are skipped, so a run can be stopped and continued, and
`--shard 0/2` shares it between processes. The same numbers give the same scenes.
"""

import argparse
import colorsys
import json
import math
import sys
import time
from pathlib import Path

import bpy
import cv2
import numpy as np

# Scenes below this number belong to the benchmark's own sets.
FIRST_SEED = 900000
TYPES = (
    ["full"] * 8
    + ["headless"] * 8
    + ["armless"] * 7
    + ["dressform"] * 7
    + ["ghost"] * 6
    + ["legs"] * 5
    + ["hanger"] * 4
    + ["flatlay"] * 4
)
# Height and width of the photo as shares of the long side.
SHAPES = [(1, 0.75)] * 7 + [(1, 1), (0.75, 1), (1, 0.66)]
UNWORN = ("hanger", "flatlay")


def color(rng):
    """Returns a plausible paint or cloth colour, sRGB in 0..1: often pale, grey or skin-like."""
    pick = rng.random()
    if pick < 0.3:
        level = rng.choice([rng.uniform(0.8, 0.95), rng.uniform(0.03, 0.95)])
        tint = rng.uniform(-0.03, 0.03, 3)
        return tuple(np.clip(level + tint, 0.02, 0.96))
    hue = rng.uniform(0.02, 0.12) if pick < 0.5 else rng.uniform()
    return colorsys.hsv_to_rgb(hue, rng.uniform(0.1, 0.8), rng.uniform(0.1, 0.95))


def near(base, rng, far):
    return tuple(np.clip(np.asarray(base) + rng.uniform(-far, far, 3), 0.02, 0.96))


def two_tone(graph, look, first, second, rng):
    """Returns a colour socket that mixes two colours by a random three-dimensional texture."""
    place = graph.n("TexCoord", 3)
    stretch = tuple(
        np.exp(rng.uniform(0, 3.5, 3)) if rng.random() < 0.6 else [np.exp(rng.uniform(0.5, 4))] * 3
    )
    place = graph.n("Mapping", Vector=place, Scale=stretch)
    kind = rng.integers(4)
    if kind == 0:
        weight = graph.n("TexNoise", Vector=place, Scale=1.0, Detail=float(rng.uniform(0, 6)))
    elif kind == 1:
        weight = graph.n(
            "TexWave", 1, Vector=place, Scale=0.7, Distortion=float(rng.uniform(0, 9)), Detail=2.0
        )
    elif kind == 2:
        weight = graph.n("TexVoronoi", Vector=place, Scale=1.0)
    else:
        weight = graph.n("TexChecker", 1, Vector=place, Scale=1.0)
    weight = graph.m("MULTIPLY", weight, float(rng.uniform(0.1, 1.0)))
    return graph.mix(weight, look.rgba(first), look.rgba(second))


def form_material(look, cloth, wall, rng):
    """Returns the material of a mannequin and its name: the generator's own, or a free one."""
    if rng.random() < 0.4:
        name = str(rng.choice(list(look.MANNEQUIN)))
        return look.mannequin(name), name
    graph = look.Graph("mannequin")
    pick = rng.random()
    base = (
        near(cloth, rng, 0.08)
        if pick < 0.2
        else near(wall, rng, 0.08)
        if pick < 0.3
        else color(rng)
    )
    paint = look.rgba(base)
    if rng.random() < 0.3:
        paint = two_tone(graph, look, base, near(base, rng, 0.35), rng)
    shader = graph.n(
        "BsdfPrincipled",
        Base_Color=paint,
        Roughness=float(rng.uniform(0.05, 0.95)),
        Coat_Weight=float(rng.choice([0, rng.uniform(0, 0.8)])),
        Metallic=float(rng.random() < 0.06),
    )
    if rng.random() < 0.08:
        shader = graph.n(
            "MixShader",
            i0=float(rng.uniform(0.25, 0.7)),
            i1=graph.n("BsdfTransparent", Color=(0.95, 0.95, 0.95, 1)),
            i2=shader,
        )
    return graph.out(shader), "free"


def clothe(scene, look, generator, rng):
    """Gives the draped garments another fabric; returns its main colour."""
    fabric = dict(scene.m["fabric"])
    plain = rng.random() < 0.5
    fabric.update(
        seed=int(rng.integers(1 << 30)),
        c1=color(rng),
        c2=color(rng),
        c3=color(rng),
        pattern="plain" if plain else str(rng.choice([*generator.PATTERNS, "denim"])),
        print=bool(fabric["print"] and rng.random() < 0.7) or bool(rng.random() < 0.15),
        crumple=float(rng.uniform(0.3, 2.2)),
        rough=float(rng.uniform(0.35, 0.95)),
    )
    if scene.m["white_case"]:
        level = rng.uniform(0.84, 0.95)
        fabric.update(c1=(level, level, level - 0.01), pattern="plain", print=False)
    for order, objects in enumerate(scene.cloths.values()):
        worn = dict(fabric)
        if order and len(scene.cloths) > 1:
            worn.update(c1=color(rng), c2=color(rng), print=False)
        outer = look.fabric(worn)
        darker = tuple(np.array(worn["c1"]) * rng.uniform(0.75, 1.0))
        inner = look.fabric(dict(worn, c1=darker), inner=True)
        for item in objects:
            item.data.materials[0], item.data.materials[1] = outer, inner
    return fabric["c1"]


def furnish(scene, look, distance, cloth, rng):
    """Puts up a wall, a floor and sometimes other things; returns the wall's colour."""
    m = scene.m

    def put(name, vertices, faces, material, label):
        return scene.add(name, vertices, faces, material, label, "set")

    kinds = ["white", "cyc", "colour", "planks", "brick", "room", "free", "free", "free"]
    kind = str(rng.choice(["white", "white", "cyc"] if m["white_case"] else kinds))
    if m["mannequin_type"] in UNWORN and kind == "room":
        kind = "free"
    m["background"] = kind
    paint = near(cloth, rng, 0.07) if rng.random() < 0.15 else color(rng)
    if kind not in ("white", "free") and not m["white_case"]:
        look.BACKDROP[kind] = [paint]
    kept = look.wall_material
    if kind == "free":
        second = near(paint, rng, 0.5) if rng.random() < 0.7 else color(rng)

        def wall(_, base):
            graph = look.Graph("wall")
            cover = two_tone(graph, look, base, second, rng)
            return graph.out(graph.n("BsdfPrincipled", Base_Color=cover, Roughness=0.7))

        look.wall_material, look.BACKDROP["colour"] = wall, [paint]
    found = look.background("colour" if kind == "free" else kind, rng, put, distance)
    look.wall_material = kept
    if kind not in ("white", "cyc", "room") and distance > 0.6 and rng.random() < 0.15:
        look.clutter(rng, put, distance)
    return found


def set_look(scene, generator, look, body, specs, made, rng):
    """Turns, dresses and lights the draped scene anew, and fills in its description."""
    m, kind = scene.m, scene.m["mannequin_type"]
    for item in list(bpy.data.objects):
        if item.type in ("CAMERA", "LIGHT") or item in scene.groups.get("set", []):
            bpy.data.objects.remove(item)
    scene.groups["set"] = []
    view = str(rng.choice(["front", "three_quarter", "back"], p=[0.4, 0.3, 0.3]))
    if kind in UNWORN or (m["garment"] == "jacket" and view == "back" and rng.random() < 0.5):
        view = "front"
    yaw = {
        "front": rng.uniform(-9, 9),
        "three_quarter": rng.choice([-1, 1]) * rng.uniform(14, 42),
        "back": 180 + rng.uniform(-28, 28),
    }[view]
    shape = SHAPES[rng.integers(len(SHAPES))]
    m.update(
        view=view,
        yaw=float(yaw if kind not in UNWORN else np.clip(yaw, -7, 7)),
        white_case=bool(rng.random() < 0.14),
        framing=str(rng.choice(["full", "garment", "head"])),
        focal=float(rng.uniform(40, 90)),
        tilt=float(rng.normal() * 1.2),
        camera_height=float(rng.uniform(-0.2, 0.35)),
        jpeg=int(rng.integers(70, 97)),
        noise=float(rng.uniform(0.2, 3.2)),
        light=str(
            rng.choice(["softbox", "hard_side", "warm", "overexposed"], p=[0.45, 0.2, 0.2, 0.15])
        ),
        size=[int(scene.long_side * shape[1]), int(scene.long_side * shape[0])],
    )
    scene.s.render.resolution_x, scene.s.render.resolution_y = m["size"]
    cloth = clothe(scene, look, generator, rng)
    scene.rng = rng
    target = generator.place_camera(scene, m, body, made, specs)
    scene.root.rotation_euler = (0, 0, math.radians(m["yaw"]))
    distance = {"flatlay": 0.035, "hanger": 0.10}.get(kind, float(rng.uniform(0.8, 1.8)))
    wall = furnish(scene, look, distance, cloth, rng)
    if m["white_case"]:
        material, name = look.mannequin(str(rng.choice(["gloss_white", "matte_white"]))), "white"
    else:
        material, name = form_material(look, cloth, wall, rng)
    for item in scene.groups.get("mannequin", []):
        if item.name.startswith("mannequin"):
            item.data.materials[0] = material
    m["material"] = name
    look.lighting(m["light"], target, rng, m["background"] in ("white", "cyc"))
    scene.s.view_settings.exposure += float(rng.uniform(-0.45, 0.3))
    bpy.context.view_layer.update()


def widen(generator):
    """Lets garments vary more than in the benchmark: shorts, tunics, coats, crop tops."""
    spec = generator.garment_spec

    def wider(kind, rng):
        result = spec(kind, rng)
        if rng.random() < 0.5:
            return result
        if kind == "trousers":
            result["leg_end"] = float(rng.uniform(0.55, 1.9))
        elif kind == "skirt":
            result["hem"] = float(rng.uniform(0.08, 0.45))
        elif kind in ("dress", "dress_ls"):
            result.update(hem=float(rng.uniform(0.08, 0.42)), flare=float(rng.uniform(0.02, 0.5)))
        elif kind == "jacket":
            result["hem"] = float(rng.uniform(0.25, 0.53))
        else:
            result["hem"] = float(rng.uniform(0.38, 0.56))
        if result.get("sleeve", 0) and kind in ("tee", "sweater", "shirt", "dress_ls"):
            result["sleeve"] = float(rng.uniform(0.35, 2.0))
        return result

    generator.garment_spec = wider


def photograph(scene, generator, body, folder, groups):
    """Writes the photo, its labels, joints and description."""
    m = scene.m
    folder.mkdir(parents=True, exist_ok=True)
    found = generator.without_specks(generator.flat_pass(scene, groups, folder / "labels.png"))
    cv2.imwrite(str(folder / "labels.png"), found)
    lit = generator.photo(scene, groups, folder / "photo.jpg", m)
    if m["mannequin_type"] not in UNWORN:
        posed = dict(m, mannequin_type="full") if m["mannequin_type"] == "person" else m
        joints = generator.keypoints(scene, posed, body, found)
        (folder / "keypoints.json").write_text(json.dumps(joints))
    m["label_share"] = {str(k): round(float((found == k).mean()), 5) for k in range(6)}
    m["tags"] = generator.tags(m, lit, found)
    (folder / "meta.json").write_text(json.dumps(m, indent=1, default=float))


def render(number, options, generator, look):
    """Drapes scene `number` once and photographs it in every look."""
    folders = [options.out / f"w{number:04d}{chr(97 + k)}" for k in range(options.looks)]
    if all((folder / "meta.json").exists() for folder in folders):
        return
    started = time.time()
    m = generator.plan("train", FIRST_SEED + number)
    # The generator ties the kind of photo to the scene's number; these are ours.
    m["size"] = [int(options.long_side * 0.75), options.long_side]
    scene = generator.Scene(m, options.samples)
    scene.long_side = options.long_side
    scene.s.render.use_persistent_data = True
    body = generator.build_body(scene, m)
    shape, neck, direction = generator.mannequin_sdf(body, m)
    if m["mannequin_type"] == "ghost":
        specs, made = generator.make_garments(
            scene, m, body, lambda p: body.sdf(p, head=None, hands=False)
        )
    else:
        specs, made = generator.make_garments(scene, m, body, shape)
    scene.cloths = {}
    for item in scene.groups["garment"]:
        if len(item.data.materials) == 2:
            name = item.data.materials[0].name
            scene.cloths.setdefault(name, []).append(item)
    generator.make_mannequin(scene, m, body, shape, neck, direction)
    kind = m["mannequin_type"]
    sleeved = any(spec.get("sleeve", 0) > 0.3 for spec in specs.values())
    limp = (kind in ("armless", "dressform") and sleeved) or kind in UNWORN
    person = number % 2 == 0 and not limp
    if person:
        generator.make_human(scene, m, body)
    for k, folder in enumerate(folders):
        rng = np.random.default_rng((FIRST_SEED + number) * 10 + k)
        scene.m["mannequin_type"], scene.m["id"] = kind, folder.name
        set_look(scene, generator, look, body, specs, made, rng)
        groups = ["set", "stand", "mannequin", "garment"]
        if person and k == 0:
            groups = ["set", "garment", "human", "hair"]
            scene.m["mannequin_type"] = "person"
        elif person and kind == "full" and rng.random() < 0.5:
            groups.append("hair")  # a wig
        photograph(scene, generator, body, folder, groups)
    print(f"{folders[0].name} {kind} {m['garment']}: {time.time() - started:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--generator", required=True, type=Path, help="folder of generate.py")
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--first", type=int, default=0, help="number of the first scene")
    parser.add_argument("--count", type=int, default=200, help="scenes to drape")
    parser.add_argument("--looks", type=int, default=4, help="photos of each scene")
    parser.add_argument("--long-side", type=int, default=512, help="pixels")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--shard", default="0/1", help="which part of how many")
    parser.add_argument(
        "--types", nargs="+", choices=sorted(set(TYPES)), default=TYPES, help="kinds"
    )
    options = parser.parse_args()
    sys.path.insert(0, str(options.generator))
    import generate as generator
    import look

    generator.TYPES, generator.WHITE_CASES = options.types, {}
    widen(generator)
    part, parts = map(int, options.shard.split("/"))
    for number in range(options.first + part, options.first + options.count, parts):
        render(number, options, generator, look)


if __name__ == "__main__":
    main()
