"""Attack 11 by videos, sounds and pictures of many frames: what FFmpeg would make of them."""

import importlib.util
import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from dressform.worker import inputs, protocol
from PIL import Image

SAMPLES = Path(__file__).parents[2] / "samples"
SIDE_PX = 2048
MANY = inputs.MAX_PIXELS // SIDE_PX**2 + 1


def video(frames, side_px=SIDE_PX, codec="mpeg4", kind="mp4"):
    """A video of one picture, again and again."""
    stream = io.BytesIO()
    with av.open(stream, "w", format=kind) as container:
        track = container.add_stream(codec, rate=24)
        track.width = track.height = side_px
        track.pix_fmt = "yuv420p"
        gray = np.full((side_px * 3 // 2, side_px), 128, np.uint8)
        made = track.encode(av.VideoFrame.from_ndarray(gray, "yuv420p")) + track.encode(None)
        data = bytes(made[0])
        for number in range(frames):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = track, made[0].time_base, True
            packet.pts = packet.dts = number
            container.mux(packet)
    return stream.getvalue()


def sound(codec, kind, rate=48_000):
    stream = io.BytesIO()
    with av.open(stream, "w", format=kind) as container:
        track = container.add_stream(codec, rate=rate, layout="stereo")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8 * 4608), np.int16), "s16", "stereo")
        silence.sample_rate = rate
        size = track.codec_context.frame_size
        shaped = av.AudioResampler(track.format.name, "stereo", rate, size or 1024)
        for frame in [*shaped.resample(silence), None]:
            container.mux(track.encode(frame))
    return stream.getvalue()


def picture(kind, size=(64, 48), more=()):
    stream = io.BytesIO()
    frames = [Image.new("L", one) for one in more]
    told = {"save_all": True, "append_images": frames} if frames else {}
    Image.new("RGB" if kind == "AVIF" else "L", size).save(stream, kind, **told)
    return stream.getvalue()


def lying(data):
    """A video whose container tells of 16 x 16 pixels."""
    small, at = bytearray(data), data.index(b"tkhd") + 80
    small[at : at + 8] = struct.pack(">II", 16 << 16, 16 << 16)
    at = data.index(b"mp4v", data.index(b"stsd")) + 28
    small[at : at + 4] = struct.pack(">HH", 16, 16)
    assert struct.unpack(">HH", data[at : at + 4]) == (SIDE_PX, SIDE_PX)
    return bytes(small)


def require_refused(path, data, code):
    path.write_bytes(data)
    with pytest.raises(protocol.WorkflowError) as caught:
        inputs.check(path)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["photo.png", "clip.mp4"])
@pytest.mark.parametrize("lies", [False, True], ids=["plain", "lying"])
def test_attack_11_video_that_would_unpack_to_too_much_is_refused(tmp_path, name, lies):
    data = video(MANY)
    require_refused(tmp_path / name, lying(data) if lies else data, "input_size")


def test_attack_11_webm_counts_too(tmp_path):
    require_refused(tmp_path / "a.webm", video(MANY, codec="libvpx", kind="webm"), "input_size")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_attack_11_pictures_one_behind_another_count_together(tmp_path, kind):
    one = picture(kind, (SIDE_PX, SIDE_PX))
    (tmp_path / "a").write_bytes(one)
    inputs.check(tmp_path / "a")
    require_refused(tmp_path / "a", one * MANY, "input_size")


def test_attack_11_avif_is_looked_at_as_a_picture(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(picture("AVIF"))
    inputs.check(tmp_path / "a.png")
    monkeypatch.setattr(inputs, "MAX_PIXELS", 64 * 48 - 1)
    require_refused(tmp_path / "a.png", picture("AVIF"), "input_size")


def test_attack_11_heic_is_refused(tmp_path):
    head = struct.pack(">I4s4sI4s", 20, b"ftyp", b"heic", 0, b"mif1")
    require_refused(tmp_path / "a.png", head + bytes(64), "input_kind")


def test_attack_11_largest_frame_of_a_tiff_counts(tmp_path):
    require_refused(tmp_path / "a.tif", picture("TIFF", more=[(9000, 9000)]), "input_size")


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.mp3", b"ID3\x04\0\0\0\0\0\0#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "input_kind"),
        ("a%01d.png", picture("PNG"), "file_name"),
        ("a.mp4", struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + bytes(64), "input_kind"),
    ],
    ids=["list", "series", "nothing"],
)
def test_attack_11_what_leads_ffmpeg_to_other_files_is_refused(tmp_path, name, data, code):
    require_refused(tmp_path / name, data, code)


@pytest.mark.parametrize(
    ("kind", "side_px"), [*((kind, 1) for kind in inputs.PICTURES), ("PNG", 9000), ("JPEG", 9000)]
)
def test_pictures_of_all_sizes_pass_whatever_their_names(tmp_path, kind, side_px):
    """FFmpeg goes by the name where the content tells it too little."""
    data = picture(kind, (side_px, side_px))
    for suffix in (kind.lower(), "jpg", "bin"):
        path = tmp_path / f"a 50%.{suffix}"
        path.write_bytes(data)
        inputs.check(path)


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.jpg")), ids=lambda path: path.parent.name)
def test_photos_pass(path):
    inputs.check(path)


SENT = {
    "image/png": lambda: picture("PNG"),
    "image/jpeg": lambda: picture("JPEG"),
    "image/webp": lambda: picture("WEBP"),
    "image/gif": lambda: picture("GIF"),
    "video/mp4": lambda: video(3, 64),
    "video/webm": lambda: video(3, 64, "libvpx", "webm"),
    "audio/flac": lambda: sound("flac", "flac"),
    "audio/mpeg": lambda: sound("libmp3lame", "mp3"),
    "audio/ogg": lambda: sound("libopus", "ogg"),
    "audio/wav": lambda: sound("pcm_s16le", "wav"),
    "model/gltf-binary": lambda: struct.pack("<4sII", b"glTF", 2, 12),
    "application/x-safetensors": lambda: struct.pack("<Q", 2) + b"{}",
}


@pytest.fixture
def kinds(need):
    """The server's list of what it takes."""
    if importlib.util.find_spec("sqlalchemy") is None:
        need("the server's requirements", "Run: pip install -r billing_server/requirements.txt")
    from dressform.billing_server.assets import kinds

    return kinds


def test_every_kind_that_the_server_takes_passes(tmp_path, kinds):
    assert SENT.keys() == kinds.SUFFIXES.keys()
    for kind, make in SENT.items():
        path = tmp_path / f"a{kinds.SUFFIXES[kind]}"
        path.write_bytes(make())
        assert kinds.kind(path.read_bytes()) == kind
        inputs.check(path)


@pytest.mark.parametrize("rate", [48_000, 22_050], ids=["version 1", "version 2"])
def test_mp3_without_a_head_passes(tmp_path, kinds, rate):
    data = sound("libmp3lame", "mp3", rate)
    (tmp_path / "a.mp3").write_bytes(data[data.index(b"\xff", 45) :])
    assert kinds.kind((tmp_path / "a.mp3").read_bytes()) == "audio/mpeg"
    inputs.check(tmp_path / "a.mp3")
