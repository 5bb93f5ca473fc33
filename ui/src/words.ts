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

// "14:02"
export function hourAndMinute(millis: number): string {
  return new Date(millis).toLocaleTimeString([], { hour12: false, hour: '2-digit', minute: '2-digit' });
}
