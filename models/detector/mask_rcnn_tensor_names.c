// SPDX-License-Identifier: Apache-2.0
#include "models/detector/mask_rcnn_tensor_names.h"

#include <stdio.h>
#include <string.h>

static bool starts(const char *name, const char *with) {
    return strncmp(name, with, strlen(with)) == 0;
}

// backbone.fpn.inner_blocks.2.0.weight -> backbone.fpn.inner_blocks.2.weight
// backbone.fpn.layer_blocks.2.0.bias   -> backbone.fpn.layer_blocks.2.bias
// rpn.head.conv.0.0.weight             -> rpn.head.conv.weight
// roi_heads.mask_head.0.0.weight       -> roi_heads.mask_head.mask_fcn1.weight
static void older(const char *name, char *out, size_t bytes) {
    char leaf[32];
    int i, end = 0;
    const char *pyramid[] = {"backbone.fpn.inner_blocks.", "backbone.fpn.layer_blocks."};
    for (size_t p = 0; p < 2; p++)
        if (starts(name, pyramid[p]) &&
            sscanf(name + strlen(pyramid[p]), "%d.0.%31[a-z]%n", &i, leaf, &end) == 2) {
            snprintf(out, bytes, "%s%d.%s", pyramid[p], i, leaf);
            return;
        }
    if (sscanf(name, "rpn.head.conv.0.0.%31[a-z]", leaf) == 1)
        snprintf(out, bytes, "rpn.head.conv.%s", leaf);
    else if (sscanf(name, "roi_heads.mask_head.%d.0.%31[a-z]", &i, leaf) == 2)
        snprintf(out, bytes, "roi_heads.mask_head.mask_fcn%d.%s", i + 1, leaf);
    else
        snprintf(out, bytes, "%s", name);
}

nn_loader md_mask_rcnn_names(const nn_loader *load, const char *prefix) {
    static const struct {
        const char *prefix, *marker; // a name that only the older form has
    } parts[] = {
        {"backbone.fpn", "backbone.fpn.inner_blocks.0.weight"},
        {"rpn.head", "rpn.head.conv.weight"},
        {"roi_heads.mask_head", "roi_heads.mask_head.mask_fcn1.weight"},
    };
    nn_loader part = *load;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(prefix, parts[i].prefix) == 0 && nn_has(load, parts[i].marker))
            part.rename = older;
    return part;
}
