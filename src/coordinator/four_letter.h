// The four-letter words: what monitors and `synod status` ask a coordinator in plain text.
//
// Pure: an Edge gathers the facts, this writes them down.
//
// Source  Apache ZooKeeper 3.9.5, org.apache.zookeeper.server.command.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/edge.h"
#include "coordinator/edge_options.h"
#include "coordinator/shared.h"

namespace synod::coordinator {

struct FourLetterView {
  Instant now;
  Instant started;
  ClusterView cluster;
  znode::Counts counts;
  Zxid zxid;
  std::uint64_t digest = 0;
  EdgeStats stats;
  std::size_t connections = 0;
  std::size_t outstanding = 0;
  std::uint64_t held_back = 0;     // times that too much was held
  std::size_t held_bytes = 0;      // of requests that are not answered
  std::size_t watches = 0;         // of both tables
  std::size_t data_watches = 0;    // the words show the data table only
  std::size_t watching = 0;        // connections
  std::size_t paths_watched = 0;   // of the data table
  std::vector<std::string> lines;  // a line for each connection: stat, cons
  std::vector<std::pair<SessionId, std::string>> watch_pairs;  // wchc, wchp; by path
};

// The stages of a write (latency.h), and whole requests. Borrows the facts.
struct NamedHistogram {
  const char* name;
  const Histogram* histogram;
};
std::vector<NamedHistogram> histograms_of(const FourLetterView& facts);
// The lines of mntr, in order.
std::vector<std::pair<std::string, std::string>> mntr_values(const FourLetterView& facts,
                                                             const EdgeOptions& options);

// True for every word that ZooKeeper knows: others are the length of a frame.
bool is_four_letter_word(std::string_view word);
bool four_letter_allowed(std::string_view word, const EdgeOptions& options);

// Precondition: is_four_letter_word(word). A word that is not allowed, or that this server does not
// have, is answered by ZooKeeper's sentence about the whitelist.
std::string answer_four_letter(std::string_view word, const FourLetterView& facts,
                               const EdgeOptions& options);

}  // namespace synod::coordinator
