// SPDX-License-Identifier: Apache-2.0
// What a validation saw.
#pragma once

#include "train/jobs/job.h"

// A tr_job_watcher's picture: what is annotated on the left, what was found on the right. user is
// not used. TN_EIO, TN_ENOMEM, TN_EUNSUPPORTED: the picture is too large to be drawn.
tn_status tool_validation_picture(void *user, const tr_shown *shown, tn_error *err);
