// SPDX-License-Identifier: Apache-2.0
// From the options of lexmask_train to those of the job, and from the job's texts, which call an
// option as the command line does, to texts with the names of the fields.
#pragma once

#include "api/api_options.h"
#include "train/jobs/train_job.h"

#define API_TRAIN_TEXT 8192 // bytes of a text that api_train_text writes at most

typedef struct api_train_given {
    tr_train_options job;
    tr_train_recalled recalled; // a resumed run's texts
    char jitter[64];
} api_train_given;

// *to is all 0 before, and to be released in any case, after the job; its texts are the caller's
// and its own. What a resumed run was given comes first, the options over it. TN_EINVAL,
// TN_EUNSUPPORTED; TN_EIO, TN_EFORMAT, TN_ENOMEM of the run's folder.
tn_status api_train_options(const lexmask_train_options *given, api_train_given *to, tn_error *err);
void api_train_options_free(api_train_given *given);
// "--val-every 0: …" becomes "val_every 0: …". What is no option of a training stays as it is.
void api_train_text(const char *text, char *out, size_t bytes);
