// The console's beginning: `index.html` loads what esbuild makes of this.

import { render } from "preact";
import { Console } from "./app.tsx";
import "./style/base.css";
import "./style/fields.css";
import "./style/parts.css";
import "./style/bars.css";
import "./style/pages.css";

const root = document.getElementById("app");
if (root) render(<Console />, root);
