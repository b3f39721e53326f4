"""Proportions of the complete body as shops display it, in units of the stature.

Lengths are shares of the stature. The values are those of display mannequins, which are drawn
slimmer than people, and they are means over the joints of rendered training mannequins. Beside
each stands the human value of Drillis and Contini, Body Segment Parameters, New York University
1966, as reprinted in Winter, Biomechanics and Motor Control of Human Movement, fig. 4.1 ("D&C").
They agree where both define the same point; D&C's shoulder is the acromion, not the joint.

A height counts from the floor, a half width from the middle line, a depth toward the beholder of
the front. Each entry is (adult, child); figures in between are mixed.
"""

NECK_HEIGHT = (0.798, 0.768)  # D&C 0.818 at the acromion; a child's shoulders sit lower
SHOULDER_HALF = (0.100, 0.092)  # D&C 0.129 to the acromion
HIP_HEIGHT = (0.505, 0.505)  # D&C 0.530
HIP_HALF = (0.050, 0.050)  # D&C 0.096 to the trochanter; the joint lies inside
ANKLE_HEIGHT = (0.042, 0.042)  # D&C 0.039
UPPER_ARM = (0.170, 0.170)  # D&C 0.186 from the acromion
FOREARM = (0.148, 0.148)  # D&C 0.146
HAND = (0.085, 0.085)  # D&C 0.108 with outstretched fingers
HEAD_CENTRE = (0.934, 0.914)
HEAD_HALF_WIDTH = (0.044, 0.058)
HEAD_HALF_DEPTH = (0.056, 0.070)
HEAD_HALF_HEIGHT = (0.066, 0.086)  # D&C 0.065

# Parts of the face in head halves: sideways, forward, up.
NOSE = (0.0, 1.08, -0.32)
EYE = (0.36, 0.88, -0.02)
EAR = (1.0, -0.12, -0.10)
FOOT_FORWARD = 0.095  # ankle to toe; D&C 0.152 from heel to toe
FOOT_OUTWARD = 0.035
TOE_DROP = 0.020

TILT = 0.37  # by which shoulders rise on the side that the hips lean to, over that lean
FOREARM_FORWARD = 0.17  # of its length, toward the front

# Radii of limbs where they begin and end.
NECK_RADIUS = (0.031, 0.029)
ARM_RADII = (0.032, 0.025, 0.016)  # shoulder, elbow, wrist
HAND_RADII = (0.020, 0.012)
LEG_RADII = (0.051, 0.030, 0.017)  # hip, knee, ankle
FOOT_RADII = (0.021, 0.016)

# The trunk's outline: height, half width, half depth (adult; the child's is CHILD_TRUNK).
TRUNK = (
    (0.44, 0.092, 0.056),
    (0.50, 0.096, 0.062),
    (0.53, 0.094, 0.061),
    (0.57, 0.085, 0.056),
    (0.62, 0.075, 0.050),
    (0.67, 0.080, 0.053),
    (0.72, 0.089, 0.056),
    (0.76, 0.092, 0.053),
    (0.80, 0.081, 0.044),
    (0.82, 0.050, 0.034),
)
CHILD_TRUNK = (
    (0.44, 0.092, 0.060),
    (0.50, 0.094, 0.064),
    (0.53, 0.092, 0.066),
    (0.57, 0.090, 0.065),
    (0.62, 0.085, 0.061),
    (0.67, 0.086, 0.059),
    (0.72, 0.090, 0.055),
    (0.76, 0.080, 0.046),
    (0.78, 0.070, 0.041),
    (0.80, 0.046, 0.032),
)

# Heights at which garments begin and end, and how far they stray (means and deviations of the
# training scenes): collars, waistbands, hems of tops.
COLLAR_HEIGHT = (0.857, 0.848)
COLLAR_SPREAD = 0.012
WAISTBAND_HEIGHT = 0.612
WAISTBAND_SPREAD = 0.010
HEM_HEIGHT = {"upper": (0.450, 0.033), "dress": (0.255, 0.050)}  # mean, deviation
SKIRT_HEM = (0.292, 0.075)  # mean, deviation
WAISTBAND_WIDTH = (0.172, 0.09)  # mean, and deviation as a share of it
CUT_HEIGHT, CUT_SPREAD = 0.656, 0.006  # where mannequins of legs alone begin

# How bodies on display stand: means and deviations of the training scenes. Angles are in radians.
YAW = {"front": (0.0, 0.08), "back": (0.0, 0.25), "three-quarter": (0.42, 0.11)}
CHILD = (0.1, 0.35)  # mostly adults
LEAN_SPREAD = 0.014  # statures that the hips stand beside the neck
STANCE = (0.070, 0.009)  # statures, half the ankles' distance
GIRTH_SPREAD = 0.05
SLEEVED_ARM = (0.56, 0.11)  # angle of the upper arm from straight down; wide sleeves need room
BARE_ARM = (0.48, 0.12)
ARMS_DIFFER = 0.05  # angle between one upper arm and the other
FOREARM_SHARE, FOREARM_SPREAD = 0.75, 0.05  # its angle as a share of the upper arm's, and off it

# Angle from the axis of the upper arm to the outer edge of the sleeve; empty sleeves fall in. Over
# 266 arms the edge tells the arm to 0.03 where sleeves are filled, and to 0.06 where they are not.
SLEEVE_FILLED = 0.21
SLEEVE_EMPTY = {"armless": 0.08, "dressform": 0.035}
SLEEVE_SPREAD = 0.06
SLEEVE_RING = (0.08, 0.14)  # statures from the shoulder where the edge is looked for
LEAST_SLEEVE = 0.45  # an edge below this angle is the garment's side
LARGEST_SLEEVE = 1.4  # above this angle lie the collar and the other sleeve
