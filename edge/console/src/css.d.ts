// esbuild puts imported styles into one file beside the script.
declare module "*.css";
