// SPDX-License-Identifier: Apache-2.0
#include "kernels/ref/ref.h"

static const kn_table table = {
    .name = "ref",
    .weight_bytes = kn_ref_weight_bytes,
    .weight_pack = kn_ref_weight_pack,
    .linear_fwd = kn_ref_linear_fwd,
    .conv2d_fwd = kn_ref_conv2d_fwd,
    .conv_transpose2x2_fwd = kn_ref_conv_transpose2x2_fwd,
    .matmul_nt_fwd = kn_ref_matmul_nt_fwd,
    .attention_fwd = kn_ref_attention_fwd,
    .layer_norm_fwd = kn_ref_layer_norm_fwd,
    .batch_norm_fwd = kn_ref_batch_norm_fwd,
    .softmax_fwd = kn_ref_softmax_fwd,
    .l2_normalize_fwd = kn_ref_l2_normalize_fwd,
    .act_fwd = kn_ref_act_fwd,
    .add_fwd = kn_ref_add_fwd,
    .gather_rows_fwd = kn_ref_gather_rows_fwd,
    .max_pool2d_fwd = kn_ref_max_pool2d_fwd,
    .avg_pool2d_fwd = kn_ref_avg_pool2d_fwd,
    .resize_fwd = kn_ref_resize_fwd,
    .upsample_add_fwd = kn_ref_upsample_add_fwd,
    .resize_u8_fwd = kn_ref_resize_u8_fwd,
    .normalize_u8_fwd = kn_ref_normalize_u8_fwd,
    .roi_align_fwd = kn_ref_roi_align_fwd,
    .nms = kn_ref_nms,
    .box_decode_fwd = kn_ref_box_decode_fwd,
    .box_clip = kn_ref_box_clip,
    .topk = kn_ref_topk,
    .mask_paste_fwd = kn_ref_mask_paste_fwd,
};

const kn_table *kn_ref_table(void) {
    return &table;
}
