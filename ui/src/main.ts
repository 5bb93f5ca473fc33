// Asks for the view every second and renders it; when this master dies, asks the others it knew.
import { render, renderSilence } from './page';
import { fetchView, View } from './view';

const interval = 1000;
let origins: string[] = [''];

function remember(view: View): void {
  origins = ['', ...view.masters.map((master) => `${location.protocol}//${master.address}`)];
}

async function turn(): Promise<void> {
  let reason = '';
  for (const origin of origins) {
    try {
      const view = await fetchView(origin);
      remember(view);
      render(view);
      return;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  renderSilence(reason);
}

async function forever(): Promise<void> {
  for (;;) {
    await turn();
    await new Promise((done) => setTimeout(done, interval));
  }
}

void forever();
