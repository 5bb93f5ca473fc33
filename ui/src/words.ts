// Numbers and spans as people read them.

export function span(millis: number | null): string {
  if (millis === null) {
    return 'not yet';
  }
  if (millis < 1000) {
    return `${Math.max(0, Math.round(millis))} ms`;
  }
  const seconds = millis / 1000;
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 120) {
    return `${Math.floor(seconds)} s`;
  }
  if (seconds < 7200) {
    return `${Math.floor(seconds / 60)} min`;
  }
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}

export function amount(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 1 ? 2 : 1);
}

export function mebibytes(value: number): string {
  return value >= 1024 ? `${(value / 1024).toFixed(1)} GiB` : `${Math.round(value)} MiB`;
}

export function clock(millis: number): string {
  return new Date(millis).toLocaleTimeString([], { hour12: false });
}

// The port is what tells members of one machine apart; elsewhere it is the host.
export function shortAddress(address: string, all: string[]): string {
  const host = address.slice(0, address.lastIndexOf(':'));
  const sameHost = all.every((other) => other.startsWith(`${host}:`));
  return sameHost && all.length > 1 ? address.slice(address.lastIndexOf(':')) : address;
}
