// SPDX-License-Identifier: Apache-2.0
// Numbers as text, whatever the process's locale: with a point, never a comma.
#pragma once

#include "tensor/status.h"

// The nearest double to a decimal number of the form [-]digits[.digits][e[+-]digits] that is
// exactly length bytes long; the caller has checked the form. Infinite when it is too large.
double io_number_parse(const char *text, size_t length);

// The shortest decimal form that reads back to the same float32, as JSON takes it: finite values
// only. Returns the length; text has a 0 behind it.
size_t io_number_float(float value, char text[24]);
