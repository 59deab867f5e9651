// SPDX-License-Identifier: Apache-2.0
// Mask R-CNN (He et al., "Mask R-CNN", ICCV 2017) with a ResNet and a feature pyramid, as in
// torchvision: maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2 and all models of that form. Depth,
// widths, number of classes and kind of heads are read from the names and shapes in the file. A
// Faster R-CNN, the same without a mask head (fasterrcnn_resnet50_fpn and its _v2), gives boxes
// only. Results equal torchvision's up to float32 rounding.
//
// Coordinates are those of models/detector/frame.h. A box is x1,y1,x2,y2.
#pragma once

#include "models/detector/anchors.h"
#include "models/detector/found.h"
#include "models/detector/frame.h"
#include "nn/select.h"

typedef struct md_mask_rcnn md_mask_rcnn;

#define MD_CATEGORY 64 // longest category name, including its zero

// torchvision's keyword arguments, with torchvision's defaults. A safetensors file may override
// them: its metadata key "lexmask.maskrcnn" is a JSON object, as text, with these names, each
// optional.
typedef struct md_mask_rcnn_config {
    int64_t min_size, max_size; // 800, 1333: the shorter side becomes min_size, unless the longer
                                // would exceed max_size
    float image_mean[3], image_std[3];
    md_anchors anchors;                            // anchor_sizes, aspect_ratios
    int64_t rpn_pre_nms_top_n, rpn_post_nms_top_n; // "..._test" in the metadata; 1000, 1000
    double rpn_nms_thresh, rpn_score_thresh;       // 0.7, 0.0
    double box_score_thresh, box_nms_thresh;       // 0.05, 0.5
    int64_t box_detections_per_img;                // 100
    int roi_sampling_ratio;                        // 2
    double canonical_scale;                        // 224: a region of this side…
    int canonical_level;                           // …is pooled from level 4 (stride 16)
    double bn_eps; // negative: chosen per batch norm, see md_mask_rcnn_options

    // Read from the file.
    char backbone[64];                   // "ResNet-50", or "ResNet (basic blocks 2,2,2,2)"
    int64_t pyramid_channels;            // 256
    int64_t classes;                     // T, including background (0)
    int64_t mask_size;                   // 28; 0: a Faster R-CNN, no masks
    int64_t weight_bytes;                // packed
    char prefix[64];                     // prefix removed from the tensors' names; "": none
    const char (*category)[MD_CATEGORY]; // [classes]: from the metadata; else COCO's names if
                                         // T is 91; else "0", "1", …
} md_mask_rcnn_config;

typedef struct md_mask_rcnn_options {
    // Batch norm's epsilon. Negative (the default): the metadata's bn_eps; if absent, 1e-5 for
    // batch norm that counts batches (num_batches_tracked is in the file), and 0 for batch norm
    // that does not (torchvision's published v1 weights).
    double bn_eps;
} md_mask_rcnn_options;
md_mask_rcnn_options md_mask_rcnn_default_options(void);

// Loads and packs for kn's backend, then makes the weights read-only. The model does not keep kn:
// any context of the same backend (kn_level) can run it, several at once. options may be NULL.
// TN_EIO, TN_EFORMAT (file, tensor, shape found and expected), TN_EUNSUPPORTED (grouped
// convolutions, a pyramid that skips a stage), TN_ENOMEM.
tn_status md_mask_rcnn_open(const char *path, const md_mask_rcnn_options *options, kn_ctx *kn,
                            md_mask_rcnn **out, tn_error *err);
void md_mask_rcnn_close(md_mask_rcnn *model); // NULL is allowed
const md_mask_rcnn_config *md_mask_rcnn_settings(const md_mask_rcnn *model);
// Removes a prefix shared by all tensors of a detector from their names (io_weights_unwrap).
tn_status md_mask_rcnn_unwrap(io_weights *file, tn_error *err);
// Whether the file's names are those of a Mask R-CNN or a Faster R-CNN.
bool md_mask_rcnn_is(const io_weights *file);

// ---- detection ------------------------------------------------------------------------------

nn_select_rules md_mask_rcnn_rules(const md_mask_rcnn *model); // the model's own

// image: uint8 [H,W,3] RGB -> boxes, scores, labels (1..T-1) and, with a mask head, masks. rules:
// NULL for the model's own. The same as torchvision's model([to_tensor(image)])[0]. Frees
// everything but the result from cx->step. TN_ENOMEM if the step arena is too small: 1 GiB is
// enough for a ResNet-50 at 800x1333.
tn_status md_mask_rcnn_detect(nn_ctx *cx, const md_mask_rcnn *model, const tn_tensor *image,
                              const nn_select_rules *rules, md_found *out);

// ---- stages ---------------------------------------------------------------------------------

typedef struct md_features {
    md_frame frame;
    int levels;                 // 5: strides 4, 8, 16, 32, 64
    tn_tensor level[MD_LEVELS]; // [1,h,w,C]; regions are pooled from all but the last
} md_features;

// Picture -> pyramid.
tn_status md_mask_rcnn_features(nn_ctx *cx, const md_mask_rcnn *model, const tn_tensor *image,
                                md_features *out);
// Pyramid -> proposals, best first: boxes [R,4] network, scores [R] (sigmoid of the objectness), R
// <= top. top: 0 for the model's rpn_post_nms_top_n.
tn_status md_mask_rcnn_propose(nn_ctx *cx, const md_mask_rcnn *model, const md_features *features,
                               int64_t top, tn_tensor *boxes, tn_tensor *scores);
// Regions -> logits [R,T] and boxes [R,T,4] network, decoded with each class's deltas and clipped
// to the picture. regions [R,4] network.
tn_status md_mask_rcnn_boxes(nn_ctx *cx, const md_mask_rcnn *model, const md_features *features,
                             const tn_tensor *regions, tn_tensor *logits, tn_tensor *boxes);
// Regions -> probabilities [R,M,M] of the class in labels (int32 [R]). regions [R,4] network. NULL
// data without a mask head.
tn_status md_mask_rcnn_masks(nn_ctx *cx, const md_mask_rcnn *model, const md_features *features,
                             const tn_tensor *regions, const tn_tensor *labels, tn_tensor *masks);
