// Streamlit's entry: one studio a mounted element, told of reruns.
import { Studio } from "./studio.js";

const studios = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".rv-live");
  let studio = studios.get(root);
  if (!studio) {
    studio = new Studio(root, data, setTriggerValue);
    studios.set(root, studio);
  } else {
    studio.freeze(data.frozen ?? []);
    studio.repaint();
  }
  if (data.answer && data.answered !== studio.answered) {
    studio.answered = data.answered;
    const column = data.answer.getChildAt(0);
    const messages = Array.from({ length: column.length }, (_, i) => column.get(i).slice().buffer);
    studio.wire.receiveRerun(messages);
  }
  return () => {
    studio.leave();
    studios.delete(root);
  };
}
