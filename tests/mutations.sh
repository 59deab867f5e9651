#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests of the tests: breaks one kernel or parser after the other, in copies of the sources in a
# temporary folder, and demands that the tests turn red each time. What was built is taken over and
# only what a change touches is built again; of a kernel that three levels share, only the portable
# one. Ends with "N passed, N failed". Usage: BUILD=build tests/mutations.sh [WORD], WORD choosing
# the mutations whose name holds it. `make test-mutations` builds first.
set -u
cd "$(dirname "$0")/.."
build=${BUILD:-build} only=${1:-}
unset LEXMASK_DUMPS LEXMASK_CPU
export CMOCKA_TEST_ABORT=1 # the first failure ends a program
ulimit -c 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
names=() files=() edits=() programs=()

# One change: a name, a file, a sed script, and the test programs of which each must fail.
mutation() {
    [[ $1 == *"$only"* ]] || return 0
    names+=("$1") files+=("$2") edits+=("$3")
    shift 3
    programs+=("$*")
}

mutation "RoIAlign: samples at the edge of their cell" kernels/cpu/roi_align_axis.c \
    's/((float)i + 0\.5f) \* s\.bin/(float)i * s.bin/' test_ops_detection
mutation "RoIAlign: aligned ignored" kernels/cpu/roi_align_axis.c 's/cfg->aligned ? 0\.5f : 0/0/' \
    test_ops_detection
mutation "RoIAlign in ref: no least size of a region" kernels/ref/roi_align.inc \
    's/if (!cfg->aligned && size < 1) size = 1;//' test_dumps
mutation "NMS: >= for >" kernels/rules.h 's/kn_iou(a, b) > threshold/kn_iou(a, b) >= threshold/' \
    test_ops_detection
mutation "NMS: groups meet" kernels/cpu/nms.inc 's/group ? (uint32_t)tn_i32(group)\[at\] : 0/0/' \
    test_ops_detection
mutation "NMS: divisions saved where one is needed" kernels/cpu/nms.inc 's/vf_ge(both, joint \* least)/vf_gt(both, joint * least)/' \
    test_ops_detection
mutation "order: equal scores by falling index" kernels/rules.h \
    's/return a_index < b_index;/return a_index > b_index;/' test_ops_detection
mutation "top k: last position left out" kernels/cpu/boxes.c 's/i < wanted; i++) tn_i32/i < wanted - 1; i++) tn_i32/' \
    test_ops_detection
mutation "box decode: sizes not cut" kernels/cpu/boxes.c 's/exp(dw > d->clip ? d->clip : dw)/exp(dw)/' \
    test_ops_detection
mutation "resize, mask paste: one form for middle sizes" kernels/rules.h 's/to_h + to_w <= 128/to_h + to_w <= 16/' \
    test_dumps
mutation "resize, mask paste: forms meet one size early" kernels/rules.h 's/to_h + to_w <= 128/to_h + to_w < 128/' \
    test_dumps
mutation "resize, mask paste: forms meet one size late" kernels/rules.h 's/to_h + to_w <= 128/to_h + to_w <= 129/' \
    test_dumps
mutation "mask paste: box widened by one border, not two" kernels/rules.h 's/(double)(m + 2)/(double)(m + 1)/' \
    test_dumps
mutation "product: bias forgotten" kernels/cpu/products.inc 's/g->bias = .*;/g->bias = NULL;/' test_ops_products
mutation "convolution: left pad is the top pad" kernels/cpu/gemm.inc 's/stride_w - a->conv\.pad_left/stride_w - a->conv.pad_top/' \
    test_ops_products
mutation "convolution in ref: dilation across ignored" kernels/ref/products.inc 's/kx \* cfg->dilation_w/kx/' \
    test_dumps
mutation "attention: sees one token too many" kernels/cpu/attention.inc \
    's/i0 + i + 1 < a->keys ? i0 + i + 1 : a->keys/i0 + i + 2 < a->keys ? i0 + i + 2 : a->keys/' test_ops_products
mutation "gradient of weights: the last part of the rows left out" kernels/cpu/gemm_tn.inc \
    's/part < g->parts; part++/part < g->parts - 1 + (g->parts == 1); part++/' test_bwd_products
mutation "gradient of a convolution: taps not reversed" kernels/cpu/products.inc \
    's/w->adjoint ? taps - 1 - tap : tap/tap/' test_bwd_products
mutation "gradient of a convolution in ref: between two strides" kernels/ref/bwd_products.c \
    's/place % stride == 0 \&\& //' test_bwd_products
mutation "gradient of weights: tiles of one chunk only" kernels/cpu/winograd_bwd.inc \
    's/bool add = g->first + from > 0/bool add = from > 0/' test_bwd_products
mutation "bfloat16: truncated, not rounded" kernels/cpu/bf16.inc \
    's/bits + 0x7fffu + (bits >> 16 \& 1)/bits/' test_bf16
mutation "bfloat16: gradients of weights in float32" kernels/cpu/gemm_tn.inc \
    's/bf16_rows(bf16, block, rows, count);//' test_bf16
mutation "gradient of attention: y dy not subtracted" kernels/cpu/attention_bwd.inc \
    's/(vf_load(change + j) - mean)/vf_load(change + j)/' test_bwd_attention
mutation "layer norm: no eps" kernels/cpu/rows.inc 's/variance + r->number/variance/' test_ops_rows
mutation "softmax: maximum not subtracted" kernels/cpu/rows.inc 's/scale, row_max(x, r->n, scale))/scale, 0)/' \
    test_ops_rows
mutation "QuickGELU: 1.7 for 1.702" kernels/cpu/math.inc 's/1\.702f/1.7f/' test_ops_rows
mutation "GELU in ref: the tanh approximation" kernels/ref/products.c \
    's/return 0\.5 \* x \* erfc(-x \/ sqrt(2))/return kn_ref_act(KN_GELU_TANH, x)/' test_dumps
mutation "max pool: padding counts as zero" kernels/cpu/pictures.inc 's/vf best = vf_set(-INFINITY)/vf best = vf_set(0)/' \
    test_ops_pictures
mutation "average pool: stores whole vectors" kernels/cpu/pictures.inc \
    's/vf_store_some(y + c, sum \/ divisor, p->channels - c)/vf_store(y + c, sum \/ divisor)/' test_ops_pictures
mutation "resize: nearest rounds" kernels/rules.h 's/floorf(/roundf(/' test_ops_pictures test_dumps
mutation "resize: centres rounded twice" kernels/rules.h 's/return fused ? /return false ? /' test_dumps
mutation "resize: centres rounded once" kernels/rules.h 's/return fused ? /return true ? /' test_dumps
mutation "resize of bytes: no rounding" kernels/cpu/resize_u8.inc 's/1 << (FRACTION - 1)/0/g' test_ops_pictures
mutation "resize of bytes: weights cut off" kernels/cpu/resize_axis.c 's/w < 0 ? w - 0\.5 : w + 0\.5/w/' test_dumps
mutation "resize of bytes: never down first" kernels/rules.h 's/return h > to_h \&\&/return false \&\&/' test_clip_preprocess
mutation "layer norm backward: mean of the gradient not taken out" kernels/cpu/bwd_rows.inc \
    's/vf_load_some(dy + i, n - i) - along;/vf_load_some(dy + i, n - i);/' test_bwd_rows
mutation "batch norm: variance of the blocks alone" kernels/cpu/norms.inc \
    's/square += part\[n\] + away \* away \* count \* rows \/ all;/square += part[n];/' test_bwd_rows
mutation "max pool backward: the last of equal zeros" kernels/cpu/bwd_pictures.inc \
    's/vm_or(vf_gt(v, best), vf_nan(v))/vm_or(vf_gt(v, best - vf_set(1e-30f)), vf_nan(v))/' test_dumps
mutation "RoIAlign backward: cells share their regions" kernels/cpu/roi_align_bwd.inc \
    's/at < g->start\[cell + 1\]/at < g->start[cell + 1] + 1/' test_bwd_pictures
mutation "resize backward: adds where it should write" kernels/cpu/bwd_pictures.inc \
    's/made = b->add ? row + b->row : dx/made = row + b->row/' test_bwd_pictures
mutation "cross-entropy: scale left out of the slope" kernels/cpu/losses.inc 's/g->factor \* w \* g->number/g->factor * w/' test_losses
mutation "smooth L1: far terms not lowered" kernels/cpu/losses.inc 's/size - vf_set(delta \* 0\.5f)/size/' test_losses
mutation "AdamW: mean away from the gradient" kernels/ref/losses.inc 's/- (double)\*mean));/+ (double)*mean));/' test_dumps
mutation "tape: an output used twice keeps one gradient" nn/tape.c 's/\*beta = a->grad ? 1 : 0;/*beta = 0;/' \
    test_grad_modules test_grad_golden test_fvlm_train
mutation "tape: parts of an output begin as they lie" nn/tape.c 's/memset(a->grad, 0, a->bytes);//' test_tape
mutation "tape: scopes forget what was recorded" nn/tape.c 's/!cx->tape || cx->tape->count == scope.records/true/' \
    test_grad_modules test_grad_golden
mutation "residual: gets no gradient" nn/epilogue.c 's/return residual \&\& residual->data ?/return false ?/' \
    test_grad_modules test_grad_golden
mutation "parameters: an adjoint is of what was staged last" nn/trained.c \
    's/= stage(cx->kn, t);/= t->staged.data ? \&t->staged : stage(cx->kn, t);/' \
    test_grad_modules
mutation "batch norm: running variance is the biased one" nn/norm.c 's|n > 1 ? n / (n - 1) : 1|1|' test_grad_golden
mutation "safetensors: gaps allowed" io/weights/safetensors.c 's/if (at->from != end)/if (at->from < end)/' test_weights_broken
mutation "safetensors: tensors may lie behind the end" io/weights/safetensors.c \
    's/if (out->from > out->to || out->to > in->data_bytes)/if (out->from > out->to)/' test_weights_broken
mutation "pickle: any global is an ordered dictionary" io/weights/pickle_build.c \
    's/^    return UNKNOWN;/    return ORDERED_DICT;/' test_torch_broken test_odd_weights
mutation "pickle: what an object is given later is forgotten" io/weights/pickle_build.c \
    's/if (object->kind == IO_PK_DICT) return TN_OK;/if (object->kind != IO_PK_OBJECT) return TN_OK;/' \
    test_torch_broken test_odd_weights
mutation "torch: a tensor inside a placeholder is passed over" io/weights/torch_state.c \
    's/TN_TRY(search(torch, value, &found, err));/found = false;/' test_torch_broken
mutation "torch: averages before weights" io/weights/torch_state.c \
    's/"state_dict", "model", /"state_dict_ema", "ema", "state_dict", "model", /' test_odd_weights
mutation "torch: buffers that are not saved are read" io/weights/torch_module.c \
    's/(skip \&\& is_among/(false \&\& is_among/' test_odd_weights
mutation "Faster R-CNN: a Mask R-CNN that lacks a tensor is taken for one" models/detector/mask_rcnn_load.c \
    's/^    if (!has_mask_tensors(load->file)) return TN_OK;/    if (!io_weights_find(load->file, MASKS "predictor.mask_fcn_logits.weight")) return TN_OK;/' test_detector_files
mutation "prefix: of one tensor is enough" io/weights/prefix.c \
    's/strlen(prefix))) return false;/strlen(prefix))) return i > 0;/' test_odd_weights
mutation "JSON: keys may occur twice" io/json.c 's/JSON_REJECT_DUPLICATES/0/' test_json_npy
mutation "npy: Fortran order ignored" io/npy.c 's/^    if (in->fortran)/    if (false)/' test_json_npy
mutation "EXIF: orientation ignored" io/image/exif.c 's/? (int)value : 1;/? 1 : 1;/' test_image
mutation "PNG: eXIf ignored" io/image/png.c 's/return io_exif_orientation(exif, count);/return 1;/' test_image_formats
mutation "CLIP's pictures: a Hugging Face folder's crop is rounded" models/clip/clip_preprocess.c 's/c->crop_floor ?/false ?/' test_clip_preprocess
mutation "BPE: merges of one rank from the right" models/text/bpe.c 's/a->at < b->at/a->at > b->at/' test_bpe
mutation "run-length text: wrong sign" io/coco/rle.c 's/more = bits \& 16/more = bits \& 8/' test_rle
mutation "matcher: equal overlaps go to the last" models/detector/matcher.c 's/if (iou > max) max/if (iou >= max) max/' test_targets
mutation "matcher: low quality takes one block's best" models/detector/matcher.c 's/if (job.best\[b \* g + i\] > job.best\[i\])/if (false)/' \
    test_targets
mutation "sampler: the first negatives" models/detector/sampler.c 's/shuffle_front(rng, list + positives, negatives, n);//' test_targets
mutation "box encode: sizes not weighted" models/detector/box_codec.c 's/(T)weights\[2\] \* LOG/LOG/' test_targets
mutation "region targets: true boxes are no proposals" models/detector/targets.c 's/TN_DIMS(r + g), err/TN_DIMS(r), err/; s/TN_DIMS(r + g, 4)/TN_DIMS(r, 4)/; s/if (g) memcpy/if (false) memcpy/' \
    test_targets
mutation "mask targets: samples at the edge of their cell" models/detector/mask_targets.c 's/((double)i + 0\.5) \* s->bin/(double)i * s->bin/' \
    test_targets
mutation "augmentation: masks are not mirrored" train/augment.c 's/if (f->flip) column/if (false) column/' test_augment
mutation "augmentation: cut boxes keep their cut" train/sample.c 's/if (tr_frame_cuts(frame, box))/if (false)/' test_augment
mutation "augmentation: the crop of a mirror from the other side" train/sample.c \
    's/f->flip ? f->scaled_w - f->net_w - f->left : f->left/f->left/' test_augment
mutation "data: crowds are learned" train/dataset.c 's/if (o->crowd) return TR_CROWDS;//' test_dataset
mutation "loop: an interrupted validation loses updates" train/loop.c \
    's/if (status == TN_ECANCELLED) return stop(r);//' test_train_job
mutation "loop: a validation that fails ends the run" train/loop.c \
    's/if (status == TN_ECANCELLED) return status;/if (status != TN_OK) return status;/' test_train_run
mutation "loop: patience never ends" train/loop.c 's/b.later >= r->loop->patience/b.later > 1000000/' test_train_run
mutation "categories: indexes stay after a merge" io/coco/coco_complete.c \
    's/entry.index -= first\[i\] != i;/entry.index -= 0;/' test_dataset
mutation "loop: only 24 modules are in the log" train/loop.c 's/i < r->trained.module_count; i++/i < r->trained.module_count \&\& i < 24; i++/' \
    test_train_run
mutation "jobs: the requested device is ignored" train/jobs/job_run.c 's/o->device ? o->device : "cpu"/"cpu"/' test_train_job
mutation "jobs: a watcher cannot stop them" train/jobs/job_run.c 's/return tr_job_interrupted(job) || (most/return (most/' test_painted_jobs
mutation "validation: a folder before absolute names" train/jobs/validation.c \
    's/io_coco_image_path(image, v->pictures, path, sizeof path, &bad) != TN_OK/snprintf(path, sizeof path, "x%s", image->file) < 0/' test_train_job
mutation "data: one order for all epochs" train/order.c 's/TR_STREAM_ORDER, epoch)/TR_STREAM_ORDER, 0)/' test_augment
mutation "loader: failures over an epoch's border end it" train/loader.c \
    's/2 \* l->order.count - 1/l->order.count/' test_loader
mutation "cache: damage is not seen" train/cache.c \
    's/if (!stored || strcmp(stored, digest))/if (!stored)/' test_cache
mutation "frozen layers: the adjoint lacks its scale" nn/pack.c \
    's/for (int64_t k = 0; scale \&\& k < rows; k++)/for (int64_t k = 0; k < 0; k++)/' test_tape
mutation "loader: a resumed run begins at the front" train/loader.c 's/l->taken = l->next = options->position;//' test_loader

mutation "evaluation: a crowd is found once" eval/coco_match.c \
    's/return truth->object->crowd \&\& !w->job->lvis;/return false;/' test_cocoeval
mutation "evaluation of LVIS: partial annotation counts against" eval/coco_match.c \
    's/ || w->group->partial//' test_lvis
mutation "evaluation of LVIS: any number of results" eval/lvis.c 's/#define MAX_RESULTS 300 /#define MAX_RESULTS 3000 /' test_lvis
mutation "evaluation: report without weights" eval/report.c 's/weighted ? (double)r->rows\[i\]\.support : 1/1/' test_report
mutation "evaluation: sweep weighs all names alike" eval/sweep_picture.c \
    's/nn_fusion_weight(how, buffers->base\[t\])/how->beta/' test_sweep
mutation "evaluation: sweep forgets the background's share" eval/sweep_picture.c \
    's/if (part == 0 || !head->background) return;/return;/' test_sweep
mutation "selection: what survived before the last is forgotten" nn/select.c \
    's/s->before\[s->survived\] = \*newest/s->before[s->survived] = -1/' test_select
mutation "selection: only what waits fades" nn/select.c \
    's/for (int64_t k = 0; k < s->kept; k++) fade/for (int64_t k = 0; k < 0; k++) fade/' test_select
mutation "selection: parts are kept" nn/select.c \
    's/if (is_part(\&s, \&one)) continue;//' test_select test_sweep
mutation "selection: boxes of two names do not meet" nn/select.c \
    's/s->rules->agnostic ? 0 : one->label/one->label/' test_select test_contrast
mutation "F-VLM: the value path leaves out the MLP" nn/blocks/value_path.c \
    's/return nn_mlp_into(cx, &block->mlp, &normed, x, x);/return TN_OK;/' test_fvlm
mutation "F-VLM: positions are stretched as Pillow would" models/clip/clip_scene.c 's/-0\.75/-0.5/' test_fvlm
mutation "F-VLM: a class token sees the patches beside its box" models/clip/clip_embed_maskcls.c \
    's|ceil(low / stride - 0\.5)|ceil(low / stride - 1.5)|' test_fvlm
mutation "F-VLM: regions with the scene's positions lose the class token's" models/clip/clip_embed_maskcls.c \
    's/own ? row\[k\] : row\[k\] + first\[k\]/row[k]/' test_fvlm
mutation "F-VLM: the mean of keys is another place" models/clip/clip_attnpool.c \
    's/memcpy(to, tn_f32(&mean) + i \* wide/memcpy(to, tn_f32(\&pooled) + i * cells * wide/' test_fvlm
mutation "F-VLM: anchors at the corner of their cell" models/detector/anchors.c 's/middle = 0\.5/middle = 0/' test_fvlm
mutation "F-VLM: alpha and beta are swapped" nn/fuse.h 's/base ? how->alpha : how->beta/base ? how->beta : how->alpha/' \
    test_fvlm
mutation "F-VLM: windows are cut across rows" models/clip/clip_scene.c 's|row % h \* w|row % h|' test_fvlm
mutation "F-VLM: the box head sees the box alone" models/fvlm/fvlm_heads.c 's/box_context > 1)/box_context > 99)/' test_fvlm
mutation "contrast: competing names are returned" models/fvlm/fvlm_choose.c 's/vocabulary->classes - vocabulary->others/vocabulary->classes/' \
    test_contrast
mutation "contrast: requested names are duplicated" models/names/known_names.c 's/if (left_out && left_out\[class\]) continue;//' \
    test_known_names test_contrast
mutation "likeness: by the first letters alone" models/names/known_names.c 's/a->value\[i\] == b->value\[k\]/a->value[i] >> 8 == b->value[k] >> 8/' \
    test_known_names
mutation "F-VLM: a different CLIP is accepted" models/fvlm/fvlm_open.c 's/strcmp(hash, c->clip_sha256) != 0/false/' \
    test_fvlm_files
mutation "vocabulary: all names of a batch have the first one's sentences" models/names/vocabulary.c \
    's/tn_slice(&y, i \* each, each)/tn_slice(\&y, 0, each)/' test_vocabulary
mutation "synthetic pictures: everything may be mirrored" train/world/glyph_rules.c \
    's/return found < 0 || found == MIRRORED;/return found < RULES;/' test_world_glyphs
mutation "synthetic pictures: masks hold what lies over them" train/world/scene_paint.c \
    's/p->canvas.owner\[i\] == object + 1/p->canvas.owner[i] >= object + 1/' test_world_scenes
mutation "synthetic pictures: crops depend on the batch" train/world/crops.c \
    's/(uint64_t)(j->first + task)/(uint64_t)task/' test_world_crops
mutation "synthetic pictures: pixels are not those of the JPEG" train/world/scene_paint.c \
    's/^ *memcpy(out->picture.data, decoded.data, tn_bytes(&decoded));//' test_world_scenes

mutation "refine: keys in place of values" nn/blocks/value_path.c 's/3 \* i + 2)/3 * i + 1)/' test_refine
mutation "refine: windows have the positions of the first" models/clip/clip_scene_train.c \
    's/of_window ? at - 1 : row % cells/of_window ? at - 1 : at - 1/' test_refine
mutation "refine: targets are the student's own rows" train/refine_step.c \
    's/scale, y, target, &p)/scale, y, y, \&p)/' test_refine
mutation "CLIP's loss: of equal names one is right" train/clip_loss.c 's/l->name) right += e;/l->name) right = e;/' test_clip_train
mutation "CLIP's text: the last block sees what follows the end" nn/blocks/attention.c 's/= j <= tn_i32(&s->position)\[i\];/= 1;/' \
    test_clip_train
mutation "CLIP's patches that are left out: positions of the first" models/clip/clip_vit.c \
    's/\*position++ = (int32_t)(cell + 1)/*position++ = (int32_t)t/' test_clip_train
mutation "Muon: no look ahead" train/muon.c 's/kn_axpby(cx, cfg->momentum, m, 1, &x);//' test_optimizer
mutation "vocabulary: of equally frequent pairs the last" models/text/bpe_train.c 's/return order < 0;/return order > 0;/' test_bpe_train

[ "${#names[@]}" -gt 0 ] || { echo "no mutation is called '$only'"; exit 1; }

# Less optimisation builds faster, and is as wrong.
build_tests() {
    make -s BUILD=build OPT=-O1 "${@/#/build/tests/}" >make.log 2>&1
}

# Takes back all objects that were built since the stamp.
restore_objects() {
    find build/obj -name '*.o' -newer stamp | while read -r object; do
        rm -f "$object" # not written through: the pristine one is the same file
        cp -p "pristine/${object#build/obj/}" "$object"
    done
    rm -f build/liblexmask.a
}

# Says whether mutation number $1, in the tree that is the current folder, is found.
try() {
    local file=${files[$1]} name=${names[$1]} green=() wanted level object program
    touch stamp
    sleep 0.01
    cp -p "$file" original
    sed -i "${edits[$1]}" "$file"
    if cmp -s "$file" original; then
        echo "NO CHANGE   $name: the script does not fit $file"
        return
    fi
    # The other levels would only cost time: they count as built.
    [[ $file == kernels/cpu/*.inc ]] && for level in avx2 avx512; do
        object=build/obj/kernels/cpu/level_$level.o
        [ -f "$object" ] && cp "$object" other && mv other "$object"
    done
    read -ra wanted <<<"${programs[$1]}"
    if ! build_tests "${wanted[@]}"; then
        echo "NOT BUILT   $name: $(grep -m 1 error make.log)"
    else
        for program in "${wanted[@]}"; do
            # In a shell of its own, which keeps the word "Aborted" to itself.
            (timeout 300 "build/tests/$program"; exit $?) >log 2>&1 && green+=("$program")
        done
        if [ "${#green[@]}" -eq 0 ]; then echo "caught      $name"; else
            echo "NOT CAUGHT  $name: ${green[*]} stayed green"
        fi
    fi
    mv original "$file"
    restore_objects
}

# A tree for worker $1 of $workers, and its share of the mutations.
workers=2
share() {
    local tree=$work/$1 used program i
    mkdir -p "$tree/build"
    tar -c --exclude=./.git --exclude=./build --exclude="./$build" --exclude=./out . | tar -x -C "$tree"
    cp -a "$build/obj" "$build/liblexmask.a" "$tree/build/"
    cp -al "$tree/build/obj" "$tree/pristine"
    cd "$tree" || exit 1
    # Without a change all of them must be green, or red would mean nothing.
    for ((i = $1; i < ${#names[@]}; i += workers)); do echo "${programs[$i]}"; done >used
    read -ra used <<<"$(tr ' ' '\n' <used | sort -u | tr '\n' ' ')"
    if ! build_tests "${used[@]}"; then
        tail -n 20 make.log
        echo "NOT BUILT   the tests, without a change"
        return
    fi
    for program in "${used[@]}"; do
        "build/tests/$program" >log 2>&1 && continue
        tail -n 20 log
        echo "NOT GREEN   $program, without a change"
    done
    for ((i = $1; i < ${#names[@]}; i += workers)); do try "$i"; done
}

for ((w = 0; w < workers; w++)); do share "$w" | tee "$work/verdicts.$w" & done
wait
passed=$(cat "$work"/verdicts.* | grep -c '^caught ')
failed=$((${#names[@]} - passed + $(cat "$work"/verdicts.* | grep -c '^NOT GREEN ')))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
