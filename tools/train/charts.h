// SPDX-License-Identifier: Apache-2.0
// The charts of a training run.
#pragma once

#include "train/log.h"

// A tr_watcher's chart: draws the curves of a log as PNG. Names without a value are left out;
// nothing is written when none has one. user is not used. TN_EIO, TN_ENOMEM.
tn_status tool_chart(void *user, const tr_log *log, const tr_chart *chart, tn_error *err);
