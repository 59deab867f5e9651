// SPDX-License-Identifier: Apache-2.0
// lexmask: point it at a picture, name things in plain words; it gives back boxes, pixel masks and
// scores for them.
//
// How the objects hang together:
//
//     lexmask_model    weights, loaded once, read-only, shared by all threads
//     lexmask_names    what to look for, turned into embeddings once, read-only, shared
//     lexmask_session  threads and working memory: one for each of your threads
//     lexmask_result   what was found in one picture; yours until you free it; it needs no session
//                      any more, and several threads may read it at once
//
//     lexmask_model_open → lexmask_names_new → lexmask_session_new → lexmask_run_file → results
//
// Close them in the opposite order. Functions that can fail return a lexmask_status and fill an
// error text (err may be NULL) that names the file and the place and is good enough to print.
// Text is UTF-8. Strings and arrays that a function hands out belong to the object they come from.
// Option structs are filled by their _init function first; fields may be added at their end.
#ifndef LEXMASK_H
#define LEXMASK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LEXMASK_API __attribute__((visibility("default")))

#define LEXMASK_VERSION "0.2.0"
#define LEXMASK_VERSION_NUMBER 200 // 10000 major + 100 minor + patch

typedef enum lexmask_status {
    LEXMASK_OK = 0,
    LEXMASK_EINVAL,       // an argument or option that cannot be used
    LEXMASK_EIO,          // the system refused: open, read, write
    LEXMASK_EFORMAT,      // bytes from outside are not what their format says
    LEXMASK_ENOMEM,       // out of memory, or over a limit
    LEXMASK_EUNSUPPORTED, // well-formed, but not something this library does
    LEXMASK_EDEVICE,      // a device is missing or failed
    LEXMASK_ECANCELLED,   // your cancel callback said so
} lexmask_status;

typedef struct lexmask_error {
    lexmask_status status;
    char text[1024];
} lexmask_error;

typedef struct lexmask_model lexmask_model;
typedef struct lexmask_names lexmask_names;
typedef struct lexmask_session lexmask_session;
typedef struct lexmask_result lexmask_result;

// LEXMASK_VERSION of the library that runs.
LEXMASK_API const char *lexmask_version(void);
// The processor level that a new model would use ("avx512", …) into text. LEXMASK_EDEVICE when
// LEXMASK_CPU in the environment names one that this processor lacks.
LEXMASK_API lexmask_status lexmask_level(char *text, size_t bytes, lexmask_error *err);

// ---- messages ----------------------------------------------------------------------------------

typedef enum lexmask_log_level {
    LEXMASK_LOG_DETAIL,
    LEXMASK_LOG_NOTE,
    LEXMASK_LOG_WARNING
} lexmask_log_level;
// Called on the thread that called the library. NULL is silent.
typedef void (*lexmask_log)(void *user, lexmask_log_level level, const char *text);

// ---- the model ---------------------------------------------------------------------------------

typedef struct lexmask_model_options {
    const char *folder;    // a model folder: detector.safetensors (or .pth) and clip/ in it, or
                           // an F-VLM's: config.json, adapters.safetensors and its CLIP. Stands
                           // for detector, clip and tokenizer, which are then NULL. All NULL: the
                           // model that comes with lexmask ($LEXMASK_MODEL, else that of the
                           // installation; LEXMASK_EINVAL says what to give where there is none)
    const char *detector;  // Mask R-CNN in torchvision's form: .pth or .safetensors
    const char *clip;      // CLIP: OpenAI's .pt, a Hugging Face or OpenCLIP folder, .safetensors;
                           // NULL for the closed mode alone
    const char *tokenizer; // bpe_simple_vocab_16e6.txt.gz, tokenizer.json or a folder; NULL: looked
                           // for in and beside clip
    const char *device;    // "cpu"
    const char *dtype;     // "f32"
    int detector_only;     // 1: load no CLIP even if the folder has one (closed mode needs none)
    int no_tokenizer;      // 1: need none, since names will come with ready embeddings
    int threads;           // used while loading; 0: all processors
    int size;              // an F-VLM looks at pictures of size x size pixels; 0: as it was made
    int heads, text_heads; // of CLIP, where neither file nor table tells; 0: from there
    const char *activation; // "gelu" or "quick_gelu", likewise; NULL: from there
    double bn_eps;          // of the detector's batch norm; negative: from the file
    lexmask_log log;
    void *log_user;
} lexmask_model_options;

LEXMASK_API void lexmask_model_options_init(lexmask_model_options *options);
LEXMASK_API lexmask_status lexmask_model_open(const lexmask_model_options *options,
                                              lexmask_model **model, lexmask_error *err);
LEXMASK_API void lexmask_model_close(lexmask_model *model); // NULL is fine
// 0: a Faster R-CNN, which has no mask head and gives boxes alone.
LEXMASK_API int lexmask_model_has_masks(const lexmask_model *model);
// 1: an F-VLM, which has no classes of its own.
LEXMASK_API int lexmask_model_is_fvlm(const lexmask_model *model);
// The detector's own classes (closed mode): label is 1..count-1, 0 is background.
LEXMASK_API size_t lexmask_model_class_count(const lexmask_model *model);
LEXMASK_API const char *lexmask_model_class_at(const lexmask_model *model, size_t label);

// ---- names -------------------------------------------------------------------------------------

typedef struct lexmask_names_options {
    // What to look for, in one of three ways; synonyms of one thing are separated by '|'.
    const char *const *names; // count of them
    size_t count;
    const char *text;           // "cat,remote control": separated by commas
    const char *file;           // a text file, one a line
    const char *const *prompts; // "a photo of {}"; several are averaged; NULL: that one.
    size_t prompt_count;        // One prompt "imagenet80" stands for CLIP's ensemble of 80
    const char *background;     // text that takes what is none of the names; "none": no such text,
                                // and no background that an F-VLM has learned, either. NULL: "a
                                // random photo with no specific object", or the F-VLM's own
    const char *embeddings;     // .npy [count,D] instead of the text tower; NULL: text tower
    int use_cache;              // keep text embeddings in the user's cache folder (default 1)
    int threads;
    lexmask_log log; // "this name is cut at 77 tokens", "… is not among the names …"
    void *log_user;
    // Called on the calling thread at the start and now and then with the sentences that are
    // done, of all that the cache does not know; a value other than 0 cancels.
    int (*progress)(void *user, size_t done, size_t all);
    void *progress_user;
    // F-VLM with a list of the names that its CLIP was trained on: beside the names that are asked
    // for, those of the list compete for what is seen, and are never part of a result. 1: they do
    // not. With ready embeddings they never do.
    int no_contrast;
} lexmask_names_options;

LEXMASK_API void lexmask_names_options_init(lexmask_names_options *options);
LEXMASK_API lexmask_status lexmask_names_new(const lexmask_model *model,
                                             const lexmask_names_options *options,
                                             lexmask_names **names, lexmask_error *err);
LEXMASK_API void lexmask_names_free(lexmask_names *names); // NULL is fine
LEXMASK_API size_t lexmask_names_count(const lexmask_names *names);
LEXMASK_API const char *lexmask_names_at(const lexmask_names *names, size_t i); // first synonym

// ---- sessions ----------------------------------------------------------------------------------

typedef enum lexmask_mode {
    LEXMASK_CROP,   // proposals of the detector, each named by CLIP; an F-VLM names its boxes its
                    // own way
    LEXMASK_CLOSED, // the detector with its own classes; needs neither CLIP nor names
} lexmask_mode;

typedef enum lexmask_crop_shape {
    LEXMASK_TIGHT,  // the box itself: CLIP's centre crop then cuts the ends off a long one
    LEXMASK_SQUARE, // a square around it, which keeps them
} lexmask_crop_shape;

// Whose word is taken for how much a region is an object at all.
typedef enum lexmask_objectness {
    LEXMASK_AUTO, // the head's where it is class-agnostic, else the RPN's
    LEXMASK_HEAD, // the box head's: knows parts of objects from whole ones
    LEXMASK_RPN,  // the proposal's own: not tied to classes that the head was trained on
} lexmask_objectness;

typedef struct lexmask_session_options {
    lexmask_mode mode;
    int threads;        // 0: all processors
    int64_t max_pixels; // larger pictures are refused; 0: 100 megapixels
    int proposals;      // crop mode: the best N of the RPN; 0: all that the detector keeps
    int clip_batch;     // crops encoded at a time; 0: 64
    lexmask_crop_shape crop_shape;
    double crop_context; // square: its side in longer sides of the box; 0: 1.15
    double objectness; // crop: weight w of the proposal's objectness o beside the probability p of
                       // its name, score = p^(1-w) o^w; negative: 0.5; 0: the probability alone
    lexmask_objectness objectness_of;
    double score, nms; // thresholds; negative: 0.05 and 0.5 (closed: the detector's own)
    int top;           // detections a picture; 0: 100 (closed: the detector's own)
    // Called between batches with the share of the picture that is done, 0..1; another value than
    // 0 cancels the run.
    int (*progress)(void *user, double done);
    void *progress_user;
    lexmask_log log;
    void *log_user;
    // F-VLM alone.
    const char *score2; // none, crop, embed, dense, maskcls or attnpool; NULL: the model's own
    double alpha, beta; // weight of score 2 for names that the model was trained on, and for all
                        // others; negative: the model's own
    const char *novel;  // a file of names, one a line, that beta holds for, alpha for all others;
                        // NULL: alpha for those that the model says it was trained on
    int agnostic;       // 1: names forgotten: a box has its likeliest name alone, is scored by how
                        // much it is any at all, and meets all others in suppression
    int keep_scores;    // 1: results keep both scores of every box (lexmask_result_scores)
} lexmask_session_options;

LEXMASK_API void lexmask_session_options_init(lexmask_session_options *options);
// names may be NULL in closed mode. model and names must outlive the session.
LEXMASK_API lexmask_status lexmask_session_new(const lexmask_model *model,
                                               const lexmask_names *names,
                                               const lexmask_session_options *options,
                                               lexmask_session **session, lexmask_error *err);
LEXMASK_API void lexmask_session_free(lexmask_session *session); // NULL is fine

typedef enum lexmask_pixels {
    LEXMASK_RGB,
    LEXMASK_BGR,
    LEXMASK_RGBA,
    LEXMASK_BGRA,
    LEXMASK_GREY
} lexmask_pixels;

// JPEG, PNG, PPM; EXIF orientation is applied, and results are in the upright picture.
LEXMASK_API lexmask_status lexmask_run_file(lexmask_session *session, const char *path,
                                            lexmask_result **result, lexmask_error *err);
// Pixels in memory, 8 bits a channel; stride: bytes from one row to the next (0: tightly packed).
LEXMASK_API lexmask_status lexmask_run_pixels(lexmask_session *session, const void *pixels,
                                              int width, int height, size_t stride,
                                              lexmask_pixels format, lexmask_result **result,
                                              lexmask_error *err);

// Names boxes that are given instead of looking for objects: boxes holds count times x1, y1, x2,
// y2 in pixels of the upright picture. labels[count]: indices into the names, -1 where the
// background, or a name that only competes, fits best; scores[count]: the probability of what it
// was named. Crop mode.
LEXMASK_API lexmask_status lexmask_name_boxes_file(lexmask_session *session, const char *path,
                                                   const float *boxes, size_t count, int *labels,
                                                   float *scores, lexmask_error *err);

// ---- results -----------------------------------------------------------------------------------

#define LEXMASK_TOP 5

typedef struct lexmask_detection {
    float box[4];     // x1, y1, x2, y2 in pixels of the picture
    float score;      // best first; crop: name_score and objectness together; closed: of the class
    float objectness; // crop: the proposal's; closed: 1
    float name_score; // crop: CLIP's probability; closed: the class score
    int label;        // crop: index into the names; closed: the detector's class
    const char *name;
    int top_count; // crop: the best names and their probabilities, best first
    int top_label[LEXMASK_TOP];
    float top_score[LEXMASK_TOP];
    float score1, score2; // F-VLM: the name's probability by the trained embedding, and by CLIP's
                          // features in the box; else -1
    int novel; // F-VLM: 1: the detector was not trained on boxes of this name, 0: it was; -1: that
               // is not known (the model has no list, and no session option `novel` was given)
} lexmask_detection;

LEXMASK_API size_t lexmask_result_count(const lexmask_result *result);
LEXMASK_API const lexmask_detection *lexmask_result_at(const lexmask_result *result, size_t i);
LEXMASK_API void lexmask_result_size(const lexmask_result *result, int *width, int *height);
// The picture that was looked at, upright: height rows of width pixels of red, green and blue,
// tightly packed.
LEXMASK_API const uint8_t *lexmask_result_pixels(const lexmask_result *result);
// 0: boxes alone, the model has no mask head. lexmask_result_mask and _rle are then
// LEXMASK_EUNSUPPORTED.
LEXMASK_API int lexmask_result_has_masks(const lexmask_result *result);
// One byte a pixel, 1 inside the mask of detection i; stride: bytes a row (0: the width).
LEXMASK_API lexmask_status lexmask_result_mask(const lexmask_result *result, size_t i,
                                               uint8_t *mask, size_t stride, lexmask_error *err);
// The mask as COCO's compressed run-length text. *text belongs to the result.
LEXMASK_API lexmask_status lexmask_result_rle(const lexmask_result *result, size_t i,
                                              const char **text, lexmask_error *err);
// Where objects may be, before they have names: the boxes that the region proposal network gave,
// best first; for measuring what is never looked at. Closed mode has none. at: x1, y1, x2, y2; 0
// when i is past the end.
LEXMASK_API size_t lexmask_result_proposal_count(const lexmask_result *result);
LEXMASK_API int lexmask_result_proposal_at(const lexmask_result *result, size_t i, float box[4]);
// Both scores of every box that had a name, before they were put together and chosen from, for
// trying other weights: columns are the names, those that only compete and, with a background,
// that. Arrays belong to the result. Besides, what they were put together with: fused =
// score1^(1-w) score2^w with w = alpha for base names and beta for the others, rows brought to sum
// 1 if renormalise, times objectness^power; kept over score, suppressed over nms, the best top;
// a score fades from an overlap of soft with a better box of its name on, and a box goes of which
// more than inside lies within such a one (1: never).
typedef struct lexmask_scores {
    size_t count, columns;
    const float *boxes;           // [count,4] x1, y1, x2, y2 in pixels of the picture
    const float *objectness;      // [count]
    const float *score1, *score2; // [count,columns]; score2 NULL without one
    const unsigned char *base;    // [columns but the background's] 1: alpha's
    int background, renormalise;
    double alpha, beta, power, score, nms, soft, inside;
    int top;
} lexmask_scores;
// 0: the result has none (session option keep_scores, F-VLM alone).
LEXMASK_API int lexmask_result_scores(const lexmask_result *result, lexmask_scores *scores);
LEXMASK_API void lexmask_result_free(lexmask_result *result); // NULL is fine

#ifdef __cplusplus
}
#endif
#endif
