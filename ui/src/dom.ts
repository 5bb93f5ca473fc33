// Elements from data. Text is always set as text, never as markup: names come from users.

type Child = Node | string | null;

export function element(tag: string, className: string, ...children: Child[]): HTMLElement {
  const made = document.createElement(tag);
  if (className) {
    made.className = className;
  }
  for (const child of children) {
    if (child !== null) {
      made.append(child);
    }
  }
  return made;
}

export function replace(id: string, ...children: Child[]): void {
  const target = document.getElementById(id);
  if (target) {
    target.replaceChildren(...children.filter((child): child is Node | string => child !== null));
  }
}
