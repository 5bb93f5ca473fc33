// What genuine Mesos needs for the same: milliseconds, the better median where there are two.
//
// Source  Apache Mesos 1.12-dev (August 2024), HierarchicalDRF with DRF sorters, g++ 12 -O2, two
//         cores of an AMD EPYC, measured in November 2026 with the same driver rules.
// 0: not measured.
#pragma once

#include <array>
#include <cstdint>

namespace synod::bench {

struct Baseline {
  std::uint64_t agents;
  std::uint64_t frameworks;
  double steady, idle, decline, suppressed_99;
  double add_agents, give_back, refuse, update, revive, backlog;
  double resting_mb, peak_mb;
};

inline constexpr std::array<Baseline, 17> one_role = {{
    {1'000, 1, 57, 3.4, 9, 0, 98, 63, 72, 56, 0, 1.8, 38, 86},
    {1'000, 50, 47, 4.8, 57, 48, 98, 61, 82, 43, 60, 13, 36, 69},
    {1'000, 200, 51, 4.6, 59, 82, 110, 56, 86, 68, 109, 48, 37, 68},
    {1'000, 1'000, 80, 8, 83, 47, 141, 71, 88, 71, 208, 232, 42, 73},
    {5'000, 1, 258, 43, 78, 0, 663, 333, 316, 299, 0, 18, 141, 364},
    {5'000, 50, 246, 20, 290, 208, 557, 291, 341, 248, 260, 81, 132, 315},
    {5'000, 200, 237, 26, 291, 243, 604, 267, 374, 335, 577, 321, 130, 314},
    {5'000, 1'000, 325, 29, 369, 245, 642, 283, 326, 358, 1'605, 1'598, 136, 309},
    {10'000, 1, 573, 66, 153, 0, 1'144, 621, 686, 787, 0, 70, 275, 738},
    {10'000, 50, 568, 59, 608, 604, 1'100, 719, 828, 767, 853, 437, 250, 448},
    {10'000, 200, 656, 120, 699, 693, 1'368, 742, 911, 855, 3'141, 1'747, 248, 599},
    {10'000, 1'000, 888, 79, 928, 555, 1'441, 743, 879, 902, 7'613, 7'080, 255, 616},
    {30'000, 1, 1'590, 137, 542, 0, 3'035, 2'400, 1'885, 1'697, 0, 102, 798, 1'085},
    {30'000, 50, 1'417, 170, 1'797, 1'290, 2'897, 1'707, 2'113, 1'761, 2'492, 1'475, 732, 1'409},
    {30'000, 200, 1'729, 349, 1'863, 1'715, 3'859, 1'724, 3'711, 2'073, 7'556, 5'595, 732, 1'581},
    {30'000, 1'000, 2'485, 205, 3'018, 1'810, 4'203, 2'259, 2'556, 2'438, 32'512, 28'843, 727,
     1'164},
    {20'000, 2'000, 0, 0, 2'527, 0, 0, 0, 0, 0, 0, 0, 0, 0},
}};

struct RolesBaseline {
  std::uint64_t agents;
  std::uint64_t frameworks;
  std::uint64_t roles;
  double add_frameworks, add_agents, steady, idle, accept;
  double resting_mb, peak_mb;
};

inline constexpr std::array<RolesBaseline, 5> many_roles = {{
    {10'000, 50, 1, 0, 0, 0, 0, 772, 0, 667},
    {10'000, 1'000, 100, 0, 3'194, 785, 175, 1'083, 731, 1'015},
    {10'000, 1'000, 1'000, 0, 21'078, 1'417, 903, 0, 5'800, 6'000},
    {200, 200, 100, 0, 0, 7.9, 2.2, 0, 27, 0},
    {2'000, 2'000, 1'000, 7'414, 0, 429, 331, 0, 1'200, 0},
}};

}  // namespace synod::bench
