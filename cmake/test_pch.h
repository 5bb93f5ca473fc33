// What every test includes besides the standard headers; compiled once, without optimization.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pch.h"
