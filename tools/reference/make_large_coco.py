#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An annotation file of the size and make of instances_train2017.json: 118,287 pictures, 860,001
annotations of which 10,498 crowds, 80 categories, 448 MB. No picture files come with it.

    python tools/reference/make_large_coco.py OUT.json
"""
import json
import random
import sys

PICTURES, OBJECTS, CROWDS, BYTES = 118287, 860001, 10498, 448_000_000
NAMES = (
    "person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant "
    "stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe "
    "backpack umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat "
    "baseball_glove skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon bowl "
    "banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch "
    "potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave "
    "oven toaster sink refrigerator book clock vase scissors teddy_bear hair_drier toothbrush"
).replace("_", "\0").split()


def picture(rng, i):
    w, h = rng.choice([(640, 480), (480, 640), (640, 427), (500, 375), (612, 612)])
    name = f"{i:012d}.jpg"
    return w, h, {
        "license": rng.randint(1, 8), "file_name": name,
        "coco_url": "http://images.cocodataset.org/train2017/" + name, "height": h, "width": w,
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": f"http://farm{rng.randint(1, 9)}.staticflickr.com/{rng.randint(1000, 9999)}/"
                      f"{rng.randint(10**9, 10**10 - 1)}_{rng.randint(0, 2**40):010x}_z.jpg",
        "id": i,
    }


def annotation(rng, number, image, w, h, points):
    x, y = rng.uniform(0, w * 0.8), rng.uniform(0, h * 0.8)
    bw, bh = rng.uniform(4, w - x), rng.uniform(4, h - y)
    crowd = number < CROWDS
    if crowd:
        runs, left = [], w * h
        while left > 0:
            runs.append(min(left, rng.randint(1, w * h // 60)))
            left -= runs[-1]
        shape = {"counts": runs, "size": [h, w]}
    else:
        shape = [[round(v, 2) for _ in range(points)
                  for v in (x + rng.random() * bw, y + rng.random() * bh)]]
    return {
        "segmentation": shape, "area": round(bw * bh / 2, 4), "iscrowd": int(crowd),
        "image_id": image, "bbox": [round(v, 2) for v in (x, y, bw, bh)],
        "category_id": rng.randint(1, 80), "id": number + 1,
    }


def main(path):
    rng = random.Random(1)
    sizes = []
    with open(path, "w") as f:
        f.write('{"info": {"year": 2017}, "licenses": [], "images": [')
        for i in range(PICTURES):
            w, h, p = picture(rng, i + 1)
            sizes.append((w, h))
            f.write((", " if i else "") + json.dumps(p))
        f.write('], "annotations": [')
        for n in range(OBJECTS):
            # Polygons as long as it takes to end at the size wanted: 16 characters a point.
            room = (BYTES - f.tell()) / (OBJECTS - n) if n % 64 == 0 else room
            points = max(3, int((room - 165) / 16 * rng.uniform(0.3, 1.7)))
            i = rng.randrange(PICTURES)
            f.write((", " if n else "") + json.dumps(annotation(rng, n, i + 1, *sizes[i], points)))
        names = [{"supercategory": "thing", "id": k + 1, "name": n.replace("\0", " ")}
                 for k, n in enumerate(NAMES)]
        f.write('], "categories": ' + json.dumps(names) + "}")


if __name__ == "__main__":
    main(*sys.argv[1:])
